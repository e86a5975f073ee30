// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's program that uses memory when it is told to. Commands come on standard
 * input, a line each, and each is answered with a line:
 *
 *   fill MIB        maps and writes so much; "ok"
 *   free            unmaps it; "ok"
 *   stall SECONDS   runs all the time for so long; "stall USEC", the longest it did not
 *   interrupts      "interrupts COUNT", of the balloon's device since boot
 *   off             powers the guest off
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <time.h>

static char *memory;
static size_t bytes;

static int fill(unsigned long mib)
{
	bytes = mib << 20;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	for (size_t at = 0; at < bytes; at += sizeof(uint64_t))
		*(volatile uint64_t *)(memory + at) = at + 1;
	return 0;
}

static int64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long longest_stall_usec(unsigned long seconds)
{
	int64_t start = now_nsec(), last = start, now = start, longest = 0;

	while (now - start < (int64_t)seconds * 1000000000LL) {
		now = now_nsec();
		if (now - last > longest)
			longest = now - last;
		last = now;
	}
	return longest / 1000;
}

/* Lines of virtio devices in /proc/interrupts, of one CPU: "24:  5  PCI-MSIX-...  virtio0-reporting". */
static unsigned long balloon_interrupts(void)
{
	unsigned long count, sum = 0;
	char line[256];
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, "virtio") && sscanf(line, " %*[^:]: %lu", &count) == 1)
			sum += count;
	}
	if (file)
		fclose(file);
	return sum;
}

int main(void)
{
	char line[64];
	unsigned long number;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "fill %lu", &number) == 1)
			puts(fill(number) ? "error" : "ok");
		else if (!strncmp(line, "free", 4))
			puts(munmap(memory, bytes) ? "error" : "ok");
		else if (sscanf(line, "stall %lu", &number) == 1)
			printf("stall %ld\n", longest_stall_usec(number));
		else if (!strncmp(line, "interrupts", 10))
			printf("interrupts %lu\n", balloon_interrupts());
		else if (!strncmp(line, "off", 3))
			reboot(RB_POWER_OFF);
	}
	return 1;
}
