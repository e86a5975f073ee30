// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel started by kexec, and how it finds the device: without a driver of
 * its own yet, and with the memory that was the old kernel's.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/reboot.h, which collides with sys/reboot.h. */
#define KEXEC_COMMAND 0x45584543
/* At least as many as the old kernel had: one for each possible CPU. */
#define CHANNELS 64

/* Loads what /boot contains for the next kernel. */
bool load_kernel(const char *command_line, unsigned long flags)
{
	int kernel = open("/boot/vmlinuz", O_RDONLY | O_CLOEXEC);
	int initramfs = open("/boot/initramfs.img", O_RDONLY | O_CLOEXEC);
	bool loaded = !syscall(SYS_kexec_file_load, kernel, initramfs,
			       strlen(command_line) + 1, command_line, flags);

	return tap_check(loaded, "the next kernel is loaded (%s)", loaded ? "0" : strerror(errno));
}

int test_kexec(const char *command_line)
{
	meet_host();
	leave_attributes();
	if (!load_kernel(command_line, 0))
		return 1;
	/* Nobody is left to print it afterwards. */
	tap_finish();
	reboot(KEXEC_COMMAND);
	tap_bail_out("the next kernel does not start: %s", strerror(errno));
}

static void enable(const char *folder, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/enable", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, 1) != 1)
		tap_bail_out("no way to %s", path);
	close(fd);
}

static volatile uint32_t *map_registers(const char *folder)
{
	char path[96];
	void *registers;
	int fd;

	snprintf(path, sizeof(path), "%s/resource0", folder);
	fd = open(path, O_RDWR | O_CLOEXEC);
	registers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (registers == MAP_FAILED)
		tap_bail_out("no way to %s", path);
	close(fd);
	return registers;
}

static unsigned long all_requests(void)
{
	char name[48];
	unsigned long sum = 0;
	unsigned int code;

	for (code = 0; code < MEMCTL_FUNC_CODES; code++) {
		snprintf(name, sizeof(name), "requests_%s", code_name(code));
		sum += host_counter(name);
	}
	return sum + host_counter("refused_UNKNOWN_FUNCTION");
}

static void ring_every_channel(volatile uint32_t *command)
{
	unsigned long requests = all_requests(), ignored = host_counter("ignored_accesses");
	unsigned int i;

	tap_check(requests > 0, "the old kernel made requests (%lu)", requests);
	for (i = 0; i < CHANNELS; i++)
		*command = MEMCTL_FIRST_CHANNEL + i;
	requests = all_requests() - requests;
	ignored = host_counter("ignored_accesses") - ignored;
	tap_check(!requests && ignored == CHANNELS,
		  "no channel of the old kernel is answered into its memory (%lu of %d, %lu ignored)",
		  requests, CHANNELS, ignored);
}

int test_disconnected(const char *folder)
{
	volatile uint32_t *command;
	uint32_t last;

	meet_host();
	enable(folder, "1");
	command = map_registers(folder) + MEMCTL_COMMAND / 4;
	last = *command;
	tap_check(last == MEMCTL_ERROR, "the device's last answer was that to DISCONNECT (%#x)", last);
	tap_check(!host_counter("channels"), "it knows no buffer of the old kernel (%lu)",
		  host_counter("channels"));
	tap_check(!host_counter("splits") && !host_counter("locked_bytes"),
		  "nothing that the old kernel set is in force (%lu mappings split off, %lu bytes locked)",
		  host_counter("splits"), host_counter("locked_bytes"));
	ring_every_channel(command);
	enable(folder, "0");
	return 0;
}
