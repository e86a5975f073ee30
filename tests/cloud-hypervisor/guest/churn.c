// SPDX-License-Identifier: GPL-2.0
/*
 * churn ADDRESS LENGTH: changes guest RAM that nothing else uses, all the time,
 * through the CPU and through memctl, and remembers what each page must hold.
 * SIGTERM ends that; then every page is compared, and the last line is "ok" with
 * what was done, or the page that is wrong. Pages are written, discarded, locked
 * and protected while the VM is moved: a page whose change the VMM was not told
 * of arrives with old bytes.
 *
 * ADDRESS is guest physical and LENGTH a multiple of 64 KiB; the kernel has been
 * told to leave that range alone (memmap=).
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memctl.h>

enum { PAGE = 4096, WORDS = PAGE / 8, CELL = 16 };

/* Attributes belong to cells of so many pages, the first ones only: each splits the host's mapping. */
enum { CELLS_WITH_ATTRIBUTES = 128 };

enum access { READ_WRITE, READ_ONLY, INACCESSIBLE };

static struct {
	enum access access;
	bool locked;
} cells[CELLS_WITH_ATTRIBUTES];

static int device;
static uint64_t address, pages, (*memory)[WORDS];
/* What the page was last filled with; 0 where it was discarded. */
static uint64_t *stamps;
static uint64_t written, discarded, locks, protections, compared;
static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

static uint64_t random_below(uint64_t limit)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static void request(uint64_t function, uint64_t page, uint64_t count)
{
	struct memctl_buf buf = {
		.call = { .func_code = function, .addr = address + page * PAGE, .length = count * PAGE },
	};

	if (ioctl(device, MEMCTL_IOCTL_VMM, &buf))
		err(1, "page %ju: no answer to function %ju", (uintmax_t)page, (uintmax_t)function);
	if (buf.ret.ret_errno)
		errx(1, "page %ju: function %ju answers %u", (uintmax_t)page, (uintmax_t)function, buf.ret.ret_errno);
}

static enum access access_of(uint64_t page)
{
	return page / CELL < CELLS_WITH_ATTRIBUTES ? cells[page / CELL].access : READ_WRITE;
}

static bool is_locked(uint64_t page)
{
	return page / CELL < CELLS_WITH_ATTRIBUTES && cells[page / CELL].locked;
}

static void compare(uint64_t page)
{
	for (uint64_t word = 0; word < WORDS; word++) {
		uint64_t expected = stamps[page] ? stamps[page] ^ page << 32 ^ word : 0;

		if (memory[page][word] != expected)
			errx(1, "page %ju word %ju holds %#jx, not %#jx", (uintmax_t)page, (uintmax_t)word,
			     (uintmax_t)memory[page][word], (uintmax_t)expected);
	}
	compared++;
}

static void fill(uint64_t page)
{
	static uint64_t stamp;

	stamps[page] = ++stamp;
	for (uint64_t word = 0; word < WORDS; word++)
		memory[page][word] = stamp ^ page << 32 ^ word;
	written++;
}

static void discard(uint64_t page, uint64_t count)
{
	request(MEMCTL_DONTNEED, page, count);
	memset(&stamps[page], 0, count * sizeof(*stamps));
	discarded += count;
}

static void change_attributes(uint64_t cell)
{
	static const uint64_t functions[] = {
		[READ_WRITE] = MEMCTL_MPROTECT_RW,
		[READ_ONLY] = MEMCTL_MPROTECT_R,
		[INACCESSIBLE] = MEMCTL_MPROTECT_NONE,
	};

	if (cells[cell].access == READ_WRITE && random_below(2)) {
		request(cells[cell].locked ? MEMCTL_MUNLOCK : MEMCTL_MLOCK, cell * CELL, CELL);
		cells[cell].locked = !cells[cell].locked;
		locks++;
	} else {
		cells[cell].access = cells[cell].access == READ_WRITE ? 1 + random_below(2) : READ_WRITE;
		request(functions[cells[cell].access], cell * CELL, CELL);
		protections++;
	}
}

static void change_something(void)
{
	uint64_t page = random_below(pages), count = 1 + random_below(8);

	if (random_below(8) == 0) {
		change_attributes(random_below(CELLS_WITH_ATTRIBUTES));
		return;
	}
	/* Not past the cell, whose pages share attributes. */
	if (count > CELL - page % CELL)
		count = CELL - page % CELL;
	switch (random_below(4)) {
	case 0:
		/* Locked memory can't be discarded. */
		if (!is_locked(page))
			discard(page, count);
		break;
	case 1:
		for (uint64_t end = page + count; page < end && access_of(page) != INACCESSIBLE; page++)
			compare(page);
		break;
	default:
		for (uint64_t end = page + count; page < end && access_of(page) == READ_WRITE; page++)
			fill(page);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	int ram;

	if (argc != 3)
		errx(2, "usage: churn ADDRESS LENGTH");
	address = strtoull(argv[1], NULL, 0);
	pages = strtoull(argv[2], NULL, 0) / PAGE;
	if (pages < CELLS_WITH_ATTRIBUTES * CELL)
		errx(2, "at least %d KiB", CELLS_WITH_ATTRIBUTES * CELL * PAGE / 1024);
	stamps = calloc(pages, sizeof(*stamps));
	device = open("/dev/memctl", O_RDWR | O_CLOEXEC);
	ram = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (!stamps || device < 0 || ram < 0)
		err(1, "cannot start");
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ram, address);
	if (memory == MAP_FAILED)
		err(1, "%#jx", (uintmax_t)address);
	sigaction(SIGTERM, &action, NULL);

	for (uint64_t page = 0; page < pages; page++)
		fill(page);
	puts("running");
	fflush(stdout);
	while (!stopped)
		change_something();

	for (uint64_t cell = 0; cell < CELLS_WITH_ATTRIBUTES; cell++) {
		if (cells[cell].access != READ_WRITE)
			request(MEMCTL_MPROTECT_RW, cell * CELL, CELL);
		if (cells[cell].locked)
			request(MEMCTL_MUNLOCK, cell * CELL, CELL);
	}
	for (uint64_t page = 0; page < pages; page++)
		compare(page);
	printf("ok: %ju pages; %ju written, %ju discarded, %ju compared, %ju locks, %ju protections\n",
	       (uintmax_t)pages, (uintmax_t)written, (uintmax_t)discarded, (uintmax_t)compared, (uintmax_t)locks,
	       (uintmax_t)protections);
	return 0;
}
