/* SPDX-License-Identifier: Apache-2.0 */
/* PCI configuration mechanism 1 and the search for the memctl function. */
#ifndef SELFTEST_PCI_H
#define SELFTEST_PCI_H

#include <stdbool.h>
#include <stdint.h>

/* Bus, device and function as the address port wants them. */
typedef uint32_t pci_function;

uint32_t pci_read32(pci_function function, uint8_t offset);
void pci_write32(pci_function function, uint8_t offset, uint32_t value);

/* Looks for vendor and device on bus 0; says how many functions are there in all. */
bool pci_find(uint16_t vendor, uint16_t device, pci_function *found, uint64_t *functions);

/* Size of BAR 0 in bytes by writing all ones, with decoding off meanwhile; the BAR is put back. 0: none. */
uint32_t pci_size_bar0(pci_function function);

/* Lets the function answer memory accesses, or not. */
void pci_enable_memory(pci_function function);
void pci_disable_memory(pci_function function);

#define PCI_ID 0x00
#define PCI_COMMAND 0x04
#define PCI_CLASS_REVISION 0x08
#define PCI_HEADER_TYPE 0x0c
#define PCI_BAR0 0x10
#define PCI_SUBSYSTEM 0x2c
#define PCI_INTERRUPT 0x3c

#endif
