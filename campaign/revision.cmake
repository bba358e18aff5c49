# SPDX-License-Identifier: GPL-2.0-only
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12
  OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
# tools/host copies the tree without its .git, and leaves the revision here.
if(NOT REVISION AND EXISTS ${SOURCE}/.revision)
  file(STRINGS ${SOURCE}/.revision REVISION LIMIT_COUNT 1)
endif()
if(NOT REVISION)
  set(REVISION unknown)
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT
"#define FAULTLINE_REVISION \"${REVISION}\"
#define FAULTLINE_VERSION \"${VERSION}\"
" @ONLY)
