// SPDX-License-Identifier: GPL-2.0
/*
 * emulated ADDRESS [WORD]: prints 32 bits of physical memory, or sets them, as
 * devmem does, but by instructions that KVM emulates on every host: OUTS loads
 * from memory and INS stores to it. Their port is the scratch register of the
 * first UART, which keeps a byte.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>

enum { PAGE = 4096, SCRATCH = 0x3ff };

static uint8_t load(const uint8_t *byte)
{
	__asm__ volatile("outsb" : "+S"(byte) : "d"(SCRATCH) : "memory");
	return inb(SCRATCH);
}

static void store(uint8_t *byte, uint8_t value)
{
	outb(value, SCRATCH);
	__asm__ volatile("insb" : "+D"(byte) : "d"(SCRATCH) : "memory");
}

int main(int argc, char **argv)
{
	uint64_t address = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	int memory = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	uint32_t word = 0;
	uint8_t *page;

	if (!address || address % sizeof(word) || argc > 3)
		errx(2, "usage: emulated ADDRESS [WORD], of 32 bits, aligned");
	if (memory < 0)
		err(1, "/dev/mem");
	if (ioperm(SCRATCH, 1, 1))
		err(1, "port %#x", SCRATCH);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, address & -PAGE);
	if (page == MAP_FAILED)
		err(1, "%#jx", (uintmax_t)address);
	page += address % PAGE;
	if (argc == 3) {
		word = strtoul(argv[2], NULL, 0);
		for (unsigned int i = 0; i < sizeof(word); i++)
			store(page + i, word >> 8 * i);
	} else {
		for (unsigned int i = 0; i < sizeof(word); i++)
			word |= (uint32_t)load(page + i) << 8 * i;
		printf("0x%08X\n", word);
	}
	return 0;
}
