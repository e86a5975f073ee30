// SPDX-License-Identifier: Apache-2.0
/*
 * The memctl device from the side of a guest without an operating system. Command line, all optional:
 * mode=tap|steps|load|hold|attack|access-fault cpus=N ram=private|shared unit=BYTES channels=N requests=N
 * dialect=memctl|pvmemcontrol range=GPA name_errno=N
 */
#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "smp.h"
#include "tap.h"
#include "tests.h"

void main(uint64_t start_info);

static uint64_t started;

static void count_cpu(uint64_t cpu)
{
	(void)cpu;
	__atomic_add_fetch(&started, 1, __ATOMIC_ACQ_REL);
}

static void test_boot(void)
{
	uint64_t page = take_memory(PAGE_SIZE, PAGE_SIZE);

	fill(page, PAGE_SIZE);
	tap_check(is_filled(page, PAGE_SIZE), "64-bit mode, RAM from 0x%x to 0x%x", ram.start, ram.end);
	for (unsigned int round = 1; round <= 2; round++) {
		bool came;

		started = 0;
		came = run_on_all(count_cpu);
		tap_check(came && started == options.cpus, "%u of %u vCPUs work, start %u", started, options.cpus, (uint64_t)round);
	}
}

static bool find_function(void)
{
	uint64_t functions;
	pci_function function;
	bool found = pci_find(MEMCTL_VENDOR_ID, MEMCTL_DEVICE_ID, &function, &functions);

	if (!tap_check(found, "1ae0:0087 is one of %u functions on PCI bus 0", functions))
		return false;
	test_function(function);
	return true;
}

static void run_all_tests(void)
{
	test_registers();
	test_transport();
	test_register_addresses();
	test_channels();
	test_requests();
	test_buffers();
	test_effects();
	test_parallel();
}

void main(uint64_t start_info)
{
	exceptions_init();
	if (!boot_info_init(start_info))
		power_off();
	print("# memctl selftest: mode=%s cpus=%u ram=%s unit=%u\n", options.mode_name, options.cpus,
	      options.shared ? "shared" : "private", options.unit);
	smp_init();
	test_boot();
	if (find_function()) {
		switch (options.mode) {
		case MODE_TAP:
			run_all_tests();
			break;
		case MODE_STEPS:
			run_steps();
			break;
		case MODE_LOAD:
			tap_check(run_load(false), "every request was answered rightly");
			break;
		case MODE_HOLD:
			tap_check(run_load(true), "every request was answered rightly");
			break;
		case MODE_ATTACK:
			run_attack();
			break;
		case MODE_ACCESS_FAULT:
			access_fault();
			break;
		}
	}
	tap_finish();
	power_off();
}
