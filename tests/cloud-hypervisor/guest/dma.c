// SPDX-License-Identifier: GPL-2.0
/*
 * dma DISK: keeps 4 MiB of memory while the disk is plugged, unplugged and plugged
 * again. Without the disk, discarding that memory must work, at once or soon. With it,
 * discarding must be refused with EBUSY, and what the disk writes there by DMA
 * must be what the CPU sees: the memory was discarded before, so that the host
 * had other pages behind it, or none. Prints a line for each step and ends with
 * "ok".
 *
 * Each byte of DISK is the low byte of the sum of its offset and its page's number.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memctl.h>

enum { PAGE = 4096, LENGTH = 4 << 20, POLL_US = 10000 };

static unsigned char *memory;

static uint32_t discard(void)
{
	int device = open("/dev/memctl", O_RDWR | O_CLOEXEC);
	struct memctl_range range = { .addr = (uintptr_t)memory, .length = LENGTH };
	struct memctl_process_ranges request = {
		.size = sizeof(request),
		.pidfd = -1,
		.func_code = MEMCTL_DONTNEED,
		.ranges = (uintptr_t)&range,
		.count = 1,
	};

	if (device < 0 || ioctl(device, MEMCTL_IOCTL_PROCESS_RANGES, &request))
		err(1, "/dev/memctl");
	close(device);
	return request.ret_errno;
}

static void without_disk(void)
{
	uint32_t refused;

	memset(memory, 0xa5, LENGTH);
	/* The VMM removes the disk after the guest's kernel has. */
	while ((refused = discard()) == EBUSY)
		usleep(POLL_US);
	if (refused)
		errx(1, "without the disk: discard answers %s", strerror(refused));
	for (size_t i = 0; i < LENGTH; i++)
		if (memory[i])
			errx(1, "byte %zu is %#x after the discard", i, memory[i]);
	/* Once more, so that the host has no page there when the disk comes. */
	if (discard())
		errx(1, "without the disk: the second discard is refused");
	puts("discarded");
}

/* Waits for it: its name comes before it can be opened. */
static int open_disk(const char *path)
{
	int disk;

	while ((disk = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC)) < 0 && (errno == ENOENT || errno == ENXIO))
		usleep(POLL_US);
	return disk;
}

static void with_disk(const char *path)
{
	int disk = open_disk(path);
	uint32_t refused;

	if (disk < 0 || pread(disk, memory, LENGTH, 0) != LENGTH)
		err(1, "%s", path);
	close(disk);
	refused = discard();
	if (refused != EBUSY)
		errx(1, "with the disk: discard answers %s", strerror(refused));
	for (size_t i = 0; i < LENGTH; i++)
		if (memory[i] != (unsigned char)(i + i / PAGE))
			errx(1, "the disk wrote byte %zu, and the CPU sees %#x", i, memory[i]);
	puts("read by DMA");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: dma DISK");
	setvbuf(stdout, NULL, _IOLBF, 0);
	memory = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "memory");
	for (int round = 0; round < 2; round++) {
		without_disk();
		with_disk(argv[1]);
		while (!access(argv[1], F_OK))
			usleep(POLL_US);
	}
	without_disk();
	puts("ok");
	return 0;
}
