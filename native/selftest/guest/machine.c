// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include "console.h"

/* Cloud Hypervisor's ACPI shutdown port and its value for S5; the VMM of this project has the same. */
#define SHUTDOWN_PORT 0x600
#define SHUTDOWN_S5 0x34
/* QEMU's isa-debug-exit, where it was given: exits with (value << 1) | 1. */
#define DEBUG_EXIT_PORT 0xf4
#define KEYBOARD_COMMAND_PORT 0x64
#define KEYBOARD_PULSE_RESET 0xfe

#define GATE_INTERRUPT_PRESENT 0x8e00u
#define SELECTOR_CODE64 0x18u
#define EXCEPTIONS 32
#define ENTRY_STRIDE 16

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t reserved;
};

extern struct gate idt[EXCEPTIONS];
extern const char exception_entries[];

void unexpected_exception(uint64_t vector, uint64_t error_code, uint64_t instruction, uint64_t fault_address);

void exceptions_init(void)
{
	for (unsigned int vector = 0; vector < EXCEPTIONS; vector++) {
		uint64_t entry = (uint64_t)exception_entries + vector * ENTRY_STRIDE;

		idt[vector] = (struct gate){
			.offset_low = (uint16_t)entry,
			.selector = SELECTOR_CODE64,
			.flags = GATE_INTERRUPT_PRESENT,
			.offset_middle = (uint16_t)(entry >> 16),
			.offset_high = (uint32_t)(entry >> 32),
		};
	}
}

void unexpected_exception(uint64_t vector, uint64_t error_code, uint64_t instruction, uint64_t fault_address)
{
	print("\nBail out! exception %u, error code 0x%x, at 0x%x, fault address 0x%x\n", vector, error_code, instruction,
	      fault_address);
	power_off();
}

void power_off(void)
{
	port_write8(SHUTDOWN_PORT, SHUTDOWN_S5);
	port_write8(DEBUG_EXIT_PORT, 0);
	port_write8(KEYBOARD_COMMAND_PORT, KEYBOARD_PULSE_RESET);
	park();
}
