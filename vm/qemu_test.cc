// SPDX-License-Identifier: GPL-2.0-only
#include "vm/qemu.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "cell/failure.h"

namespace faultline {
namespace {

VmSpec a_spec() {
  VmSpec spec;
  spec.kernel = "/k/vmlinuz";
  spec.initrd = "/k/initrd";
  spec.fs = "ext4";
  return spec;
}

// "-name value" pairs as one text, to look into.
std::string text_of(const VmSpec& spec) {
  return fmt::format("{}", fmt::join(qemu_arguments(spec, Channels{}), " "));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Qemu, AllArguments) {
  EXPECT_EQ(
      text_of(a_spec()),
      "-machine q35,max-ram-below-4g=512M -m 1024M -smp 1 -accel tcg,thread=single -icount "
      "shift=0,sleep=off -rtc base=2020-01-01,clock=vm -cpu "
      "qemu64-v1,enforce,-cx16,+ssse3,+sse4.1,+sse4.2,+popcnt,+movbe,+aes,+pclmulqdq,+xsave,"
      "+xsaveopt,+xgetbv1,+avx,+avx2,+f16c,+fma,+bmi1,+bmi2,+adx,+abm,+fsgsbase,+smep,+smap,"
      "+umip,+pku,+la57,+clflushopt,+clwb,+pdpe1gb,+rdtscp,+arat "
      "-nodefaults -no-user-config -display none -no-reboot -chardev file,id=console,path=CONSOLE "
      "-serial chardev:console -chardev file,id=result,path=RESULT -device "
      "isa-debugcon,iobase=0xe9,chardev=result -device pvpanic,ioport=1285 -action panic=pause "
      "-device ib700 -action watchdog=pause "
      "-chardev socket,id=qmp,fd=QMP -mon chardev=qmp,mode=control -fw_cfg "
      "name=opt/faultline/cell,file=CELL -kernel /k/vmlinuz -initrd /k/initrd -append "
      "console=ttyS0 panic=-1 oops=panic loglevel=5 nokaslr norandmaps random.trust_cpu=off "
      "random.trust_bootloader=off damon_stat.enabled=0 memmap=512M!4G faultline.fs=ext4 "
      "faultline.park=0 "
      "faultline.waits=exact");
}

TEST(Qemu, OldKernelsAreToldNotToWaitInTheirBoot) {
  const std::vector<std::string> told = {"rodata=off"};
  for (const char* release : {"5.4.0-26-generic", "5.10.0-43-cloud-amd64", "6.0.0-6-amd64"}) {
    EXPECT_EQ(boot_parameters(release), told) << release;
  }
  for (const char* release : {"6.1.0-56-cloud-amd64", "6.12.95", "7.3.4-1", "15.0.1", ""}) {
    EXPECT_TRUE(boot_parameters(release).empty()) << release;
  }
}

TEST(Qemu, PortableArgumentsNameNoPath) {
  VmSpec spec = a_spec();
  spec.qemu = "/opt/qemu";
  const std::string text = fmt::format("{}", fmt::join(portable_arguments(spec), " "));
  EXPECT_TRUE(has(text, "-kernel KERNEL -initrd INITRD"));
  EXPECT_FALSE(has(text, "/k/"));
  EXPECT_FALSE(has(text, "/opt/"));
}

// Of two runs that hold other cells of one kernel the machine is the same.
TEST(Qemu, CommonArgumentsAreOfNoCell) {
  VmSpec spec = a_spec();
  spec.fs = "ext4";
  const auto machine = common_arguments(spec);
  spec.fs = "xfs";
  spec.vcpus = 4;
  EXPECT_EQ(common_arguments(spec), machine);
  spec.pmem_mib += 2;
  EXPECT_NE(common_arguments(spec), machine);
}

TEST(Qemu, AcceleratorsDifferAsTheirTimeDoes) {
  VmSpec spec = a_spec();
  spec.vcpus = 2;
  EXPECT_TRUE(has(text_of(spec), "-accel tcg,thread=single -icount"));
  EXPECT_FALSE(has(text_of(spec), "faultline.waits")) << "the second vCPU would wait for the first";
  spec.accel = Accel::kTcg;
  EXPECT_TRUE(has(text_of(spec), "-accel tcg,thread=multi -rtc base=2020-01-01,clock=host"));
  EXPECT_FALSE(has(text_of(spec), "icount"));
  spec.vcpus = 1;
  EXPECT_TRUE(has(text_of(spec), "-accel tcg,thread=single"));
  EXPECT_FALSE(has(text_of(spec), "faultline.waits")) << "it would take a CPU of the host";
  spec.accel = Accel::kKvm;
  EXPECT_TRUE(has(text_of(spec), "-accel kvm"));
  EXPECT_TRUE(has(text_of(spec), "-cpu host "));
}

TEST(Qemu, AcceleratorTable) {
  for (const AccelInfo& info : accels()) {
    EXPECT_EQ(accel_info(info.accel).name, info.name);
    EXPECT_EQ(accel_named(info.name).accel, info.accel);
    EXPECT_EQ(info.unit, info.time_domain == "virtual" ? "instr" : "ns");
  }
  try {
    accel_named("hvf");
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), ExitCode::kUsage);
    EXPECT_STREQ(failure.what(),
                 "no accelerator is called hvf; there are: tcg-icount, tcg, kvm, or auto, the best "
                 "that works");
  }
}

TEST(Qemu, CommandLine) {
  VmSpec spec = a_spec();
  spec.vcpus = 2;
  spec.pmem_mib = 0;
  spec.park = true;
  spec.kernel_parameters = {"mitigations=off", "a=\"b c\""};
  const std::string line = kernel_command_line(spec);
  EXPECT_TRUE(has(line, " tsc=reliable "));
  EXPECT_FALSE(has(line, "memmap"));
  EXPECT_TRUE(has(line, "faultline.park=1 mitigations=off a=\"b c\""));
}

TEST(Qemu, RefusesWhatCannotBe) {
  const auto refused = [](auto change) {
    VmSpec spec = a_spec();
    change(spec);
    try {
      qemu_arguments(spec, Channels{});
    } catch (const Failure& failure) {
      return failure.code() == ExitCode::kUsage;
    }
    return false;
  };
  EXPECT_FALSE(refused([](VmSpec&) {}));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.ram_mib = 127; }));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.ram_mib = 2049; }));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.pmem_mib = 3; }));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.vcpus = 0; }));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.kernel_parameters = {"a\nb"}; }));
  EXPECT_TRUE(refused([](VmSpec& spec) { spec.kernel_parameters = {std::string(2048, 'x')}; }));
}

TEST(Qemu, CommasAreDoubledInOptions) {
  EXPECT_EQ(option_value("/a b/c,d\"'"), "/a b/c,,d\"'");
  Channels channels;
  channels.cell_path = "/x,y";
  channels.incoming = true;
  const auto arguments = qemu_arguments(a_spec(), channels);
  EXPECT_NE(std::find(arguments.begin(), arguments.end(), "name=opt/faultline/cell,file=/x,,y"),
            arguments.end());
  EXPECT_EQ(arguments.back(), "defer");
}

TEST(Qemu, ASandboxIsNoOtherMachine) {
  VmSpec spec = a_spec();
  const auto machine = portable_arguments(spec);
  EXPECT_FALSE(
      has(fmt::format("{}", fmt::join(qemu_arguments(spec, Channels{}), " ")), "-sandbox"));
  spec.sandbox = true;
  EXPECT_EQ(portable_arguments(spec), machine);
  EXPECT_TRUE(has(fmt::format("{} ", fmt::join(qemu_arguments(spec, Channels{}), " ")),
                  " -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny "));
  spec.qemu_parameters = {"-sandbox", "off"};
  EXPECT_FALSE(has(fmt::format("{}", fmt::join(qemu_arguments(spec, Channels{}), " ")), "spawn"));
}

TEST(Qemu, MemoryInAFileIsNoOtherMachine) {
  VmSpec spec = a_spec();
  const std::string own = text_of(spec);
  EXPECT_FALSE(has(own, "memory-backend"));
  spec.memory_file = "/x,y";
  spec.ram_mib = 512;
  spec.pmem_mib = 64;
  EXPECT_EQ(memory_bytes(spec), 576U << 20);
  EXPECT_TRUE(has(text_of(spec), "-machine q35,max-ram-below-4g=512M,memory-backend=pc.ram "));
  EXPECT_TRUE(has(text_of(spec),
                  " -object memory-backend-file,id=pc.ram,size=576M,share=on,mem-path=/x,,y "));
  spec.memory_private = true;
  EXPECT_TRUE(has(text_of(spec), ",share=off,mem-path=/x,,y "));
}

TEST(Qemu, ExtraParametersComeAlong) {
  VmSpec spec = a_spec();
  spec.qemu_parameters = {"-device", "nvme"};
  spec.cpu = "EPYC";
  EXPECT_TRUE(has(text_of(spec), " -device nvme"));
  EXPECT_TRUE(has(text_of(spec), " -cpu EPYC "));
}

TEST(KernelCommandLine, TrustsTheCounterOfSeveralCpusOnce) {
  const auto times = [](unsigned vcpus) {
    VmSpec spec;
    spec.vcpus = vcpus;
    const std::string line = kernel_command_line(spec);
    int count = 0;
    for (std::size_t at = 0; (at = line.find("tsc=reliable", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  };
  EXPECT_EQ(times(1), 0);
  EXPECT_EQ(times(2), 1);
  EXPECT_EQ(times(4), 1);
}

TEST(Qemu, TheReleaseOfAQemu) {
  EXPECT_EQ(qemu_release("QEMU emulator version 7.2.22 (Debian)").major, 7U);
  EXPECT_EQ(qemu_release("QEMU emulator version 7.2.22 (Debian)").minor, 2U);
  EXPECT_EQ(qemu_release("QEMU emulator version 10.0.13").major, 10U);
  EXPECT_EQ(qemu_release("QEMU emulator version 10").minor, 0U);
  EXPECT_EQ(qemu_release("nothing").major, 99U);
}

}  // namespace
}  // namespace faultline
