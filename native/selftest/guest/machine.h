/* SPDX-License-Identifier: Apache-2.0 */
/* The processor and the few devices that the guest uses: ports, MMIO of an exact width, time, the end. */
#ifndef SELFTEST_MACHINE_H
#define SELFTEST_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_SIZE 4096ull

static inline void port_write8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void port_write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t port_read32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* MMIO goes through one instruction of a known width: a compiler may split or merge a volatile access. */
#define DEFINE_MMIO(bits, suffix)                                                                                      \
	static inline void mmio_write##bits(uint64_t address, uint##bits##_t value)                                    \
	{                                                                                                              \
		__asm__ volatile("mov" suffix " %0, (%1)" : : "r"(value), "r"(address) : "memory");                    \
	}                                                                                                              \
	static inline uint##bits##_t mmio_read##bits(uint64_t address)                                                 \
	{                                                                                                              \
		uint##bits##_t value;                                                                                  \
		__asm__ volatile("mov" suffix " (%1), %0" : "=r"(value) : "r"(address) : "memory");                    \
		return value;                                                                                          \
	}

DEFINE_MMIO(8, "b")
DEFINE_MMIO(16, "w")
DEFINE_MMIO(32, "l")
DEFINE_MMIO(64, "q")

static inline uint64_t cycles(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}

/* Cycles of at least a minute on any processor up to 5 GHz: the bound of every wait for another vCPU. */
#define PATIENCE_CYCLES (300ull * 1000 * 1000 * 1000)

/* Stops this vCPU for good, or until it is started again. */
_Noreturn void park(void);

/* Fills the interrupt descriptor table: an exception is a defect and ends the run with a line that names it. */
void exceptions_init(void);

/* Powers the machine off. Does not return. */
_Noreturn void power_off(void);

#endif
