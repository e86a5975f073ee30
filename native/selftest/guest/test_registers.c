// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "machine.h"
#include "tap.h"

#define PAYLOAD 0x1122334455667788ull

/* Far enough for a BAR of any size that this one has. */
#define BAR_DISTANCE (1u << 20)

#define BAR_TYPE_MASK 0xfu
#define INTERRUPT_PIN_MASK 0xff00u

static void move_bar(pci_function function, uint32_t bar)
{
	pci_disable_memory(function);
	pci_write32(function, PCI_BAR0, bar);
	pci_enable_memory(function);
}

static void test_moved_bar(pci_function function, uint32_t bar)
{
	uint32_t moved = bar + BAR_DISTANCE;
	uint32_t there;

	move_bar(function, moved);
	there = mmio_read32(moved + MEMCTL_COMMAND);
	move_bar(function, bar);
	tap_check(there == MEMCTL_TRANSPORT_ERROR && mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ERROR,
		  "BAR 0 answers where it is moved to, and back");
}

void test_function(pci_function function)
{
	uint32_t size = pci_size_bar0(function);
	uint32_t bar = pci_read32(function, PCI_BAR0);

	tap_check(pci_read32(function, PCI_CLASS_REVISION) == MEMCTL_CLASS_REVISION, "class 0x0880, revision 1");
	tap_check(pci_read32(function, PCI_SUBSYSTEM) == MEMCTL_SUBSYSTEM, "subsystem 0x1ae0:0x011f");
	tap_check(!(pci_read32(function, PCI_INTERRUPT) & INTERRUPT_PIN_MASK), "no interrupt pin");
	tap_check(!(bar & BAR_TYPE_MASK), "BAR 0 is 32-bit memory, not prefetchable");
	tap_check(size >= MEMCTL_REGISTER_BLOCK_SIZE && !(size & (size - 1)), "BAR 0 has %u bytes", (uint64_t)size);
	tap_check(bar && !(bar & (size - 1)), "BAR 0 is at 0x%x, a multiple of its size", (uint64_t)bar);
	memctl_bar = bar;
	pci_enable_memory(function);
	tap_check(mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ERROR, "command reads ERROR at first");
	test_moved_bar(function, bar);
	tap_check(pci_read32(function, PCI_BAR0) == bar, "BAR 0 is as it was before it was sized");
}

static bool is_registering(void)
{
	return mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ACK &&
	       transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK;
}

/* Each store has DISCONNECT in the bytes that would reach `command`: only a store of four bytes there may act. */
static void test_command_widths(void)
{
	const uint64_t disconnect = (uint64_t)MEMCTL_TRANSPORT_DISCONNECT << 32 | MEMCTL_TRANSPORT_DISCONNECT;

	transport(MEMCTL_TRANSPORT_RESET);
	mmio_write8(memctl_bar + MEMCTL_COMMAND, (uint8_t)MEMCTL_TRANSPORT_DISCONNECT);
	tap_check(is_registering(), "a store of 1 byte to command is ignored");

	transport(MEMCTL_TRANSPORT_RESET);
	mmio_write16(memctl_bar + MEMCTL_COMMAND, (uint16_t)MEMCTL_TRANSPORT_DISCONNECT);
	tap_check(is_registering(), "a store of 2 bytes to command is ignored");

	transport(MEMCTL_TRANSPORT_RESET);
	mmio_write64(memctl_bar + MEMCTL_COMMAND, disconnect);
	tap_check(is_registering(), "a store of 8 bytes to command is ignored");

	transport(MEMCTL_TRANSPORT_RESET);
	mmio_write64(memctl_bar + 4, disconnect);
	tap_check(is_registering(), "a store of 8 bytes at 0x4 is ignored");

	for (uint64_t offset = 5; offset < 12; offset++) {
		if (offset == MEMCTL_COMMAND)
			continue;
		transport(MEMCTL_TRANSPORT_RESET);
		mmio_write32(memctl_bar + offset, MEMCTL_TRANSPORT_DISCONNECT);
		tap_check(is_registering(), "a store of 4 bytes at 0x%x is ignored", offset);
	}
}

static bool payload_is(uint64_t value)
{
	return mmio_read64(memctl_bar) == value && mmio_read32(memctl_bar) == (uint32_t)value &&
	       mmio_read32(memctl_bar + 4) == (uint32_t)(value >> 32);
}

static void test_payload_widths(void)
{
	mmio_write64(memctl_bar, PAYLOAD);
	tap_check(payload_is(PAYLOAD), "buf_phys_addr reads back after one store of 8 bytes");
	mmio_write8(memctl_bar, 0xff);
	mmio_write16(memctl_bar, 0xffff);
	mmio_write8(memctl_bar + 7, 0xff);
	mmio_write16(memctl_bar + 6, 0xffff);
	tap_check(payload_is(PAYLOAD), "stores of 1 and 2 bytes to buf_phys_addr are ignored");
	for (uint64_t offset = 1; offset < 4; offset++) {
		mmio_write32(memctl_bar + offset, 0xffffffff);
		mmio_write64(memctl_bar + offset, ~0ull);
	}
	tap_check(payload_is(PAYLOAD), "unaligned stores to buf_phys_addr are ignored");
	mmio_write32(memctl_bar, 0xaabbccdd);
	tap_check(payload_is((PAYLOAD & ~0xffffffffull) | 0xaabbccdd), "a store of 4 bytes at 0x0 is the low half");
	mmio_write32(memctl_bar + 4, 0x01020304);
	tap_check(payload_is(0x01020304aabbccddull), "a store of 4 bytes at 0x4 is the high half");
}

static bool rest_is_zero(uint32_t size)
{
	for (uint64_t offset = 12; offset < size; offset += 4) {
		if (mmio_read32(memctl_bar + offset))
			return false;
	}
	return true;
}

void test_registers(void)
{
	transport(MEMCTL_TRANSPORT_RESET);
	test_payload_widths();
	test_command_widths();

	tap_check(rest_is_zero(PAGE_SIZE), "bytes past the registers read as 0");
	transport(MEMCTL_TRANSPORT_RESET);
	for (uint64_t offset = 12; offset < PAGE_SIZE; offset += 4)
		mmio_write32(memctl_bar + offset, MEMCTL_TRANSPORT_DISCONNECT);
	tap_check(rest_is_zero(PAGE_SIZE) && is_registering(), "stores past the registers are ignored");
	tap_check(mmio_read64(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ACK, "8 bytes read at command: the upper 4 are 0");
}
