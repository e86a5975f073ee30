// SPDX-License-Identifier: Apache-2.0
#include "pci.h"

#include "machine.h"

#define ADDRESS_PORT 0xcf8
#define DATA_PORT 0xcfc
#define ADDRESS_ENABLE 0x80000000u

#define COMMAND_MEMORY 0x2u
/* The upper half of the dword is the status register, where ones written clear bits: leave it alone. */
#define COMMAND_MASK 0xffffu
#define MULTIFUNCTION 0x00800000u
#define BAR_ADDRESS_MASK 0xfffffff0u

uint32_t pci_read32(pci_function function, uint8_t offset)
{
	port_write32(ADDRESS_PORT, ADDRESS_ENABLE | function | offset);
	return port_read32(DATA_PORT);
}

void pci_write32(pci_function function, uint8_t offset, uint32_t value)
{
	port_write32(ADDRESS_PORT, ADDRESS_ENABLE | function | offset);
	port_write32(DATA_PORT, value);
}

bool pci_find(uint16_t vendor, uint16_t device, pci_function *found, uint64_t *functions)
{
	uint32_t wanted = (uint32_t)device << 16 | vendor;
	bool is_found = false;

	*functions = 0;
	for (uint32_t slot = 0; slot < 32; slot++) {
		uint32_t function_count = 1;

		for (uint32_t number = 0; number < function_count; number++) {
			pci_function function = slot << 11 | number << 8;
			uint32_t id = pci_read32(function, PCI_ID);

			if ((id & 0xffff) == 0xffff)
				continue;
			if (!number && pci_read32(function, PCI_HEADER_TYPE) & MULTIFUNCTION)
				function_count = 8;
			++*functions;
			if (id == wanted && !is_found) {
				*found = function;
				is_found = true;
			}
		}
	}
	return is_found;
}

uint32_t pci_size_bar0(pci_function function)
{
	uint32_t command = pci_read32(function, PCI_COMMAND) & COMMAND_MASK;
	uint32_t bar = pci_read32(function, PCI_BAR0);
	uint32_t mask;

	pci_write32(function, PCI_COMMAND, command & ~COMMAND_MEMORY);
	pci_write32(function, PCI_BAR0, 0xffffffff);
	mask = pci_read32(function, PCI_BAR0) & BAR_ADDRESS_MASK;
	pci_write32(function, PCI_BAR0, bar);
	pci_write32(function, PCI_COMMAND, command);
	return ~mask + 1;
}

void pci_enable_memory(pci_function function)
{
	pci_write32(function, PCI_COMMAND, (pci_read32(function, PCI_COMMAND) & COMMAND_MASK) | COMMAND_MEMORY);
}

void pci_disable_memory(pci_function function)
{
	pci_write32(function, PCI_COMMAND, pci_read32(function, PCI_COMMAND) & COMMAND_MASK & ~COMMAND_MEMORY);
}
