// SPDX-License-Identifier: GPL-2.0
/*
 * Images of all memory: hibernation's, which this kernel makes of itself, and the
 * dump that a crash kernel makes of another. Both read pages that the guest has
 * protected.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#define PAGES_LEFT 60
#define READ_BYTES (1UL << 20)

unsigned int leave_attributes(void)
{
	static const unsigned int codes[] = {
		MEMCTL_MPROTECT_NONE, MEMCTL_MPROTECT_R, MEMCTL_MPROTECT_W, MEMCTL_MLOCK, MEMCTL_DONTDUMP,
	};
	/* Every other host page of these. */
	struct row row = huge_row(host_unit == PAGE ? 1 : 10);
	unsigned int i, failed = 0, pages = row.length / host_unit / 2;
	int fd = open_device(0);

	if (pages > PAGES_LEFT)
		pages = PAGES_LEFT;
	for (i = 0; i < pages; i++)
		failed += request(fd, codes[i % 5], row.gpa + 2 * i * host_unit, host_unit, 0, NULL) != 0;
	close(fd);
	tap_check(!failed && host_counter("inaccessible_bytes"),
		  "%u pages are protected, locked or left out of dumps (%u failed)", pages, failed);
	return pages / 5 * 3;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* Holds a page of this process locked on the host, for as long as the file is open. */
static int hold_page(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memctl_range range = { (uintptr_t)page, PAGE };
	struct memctl_process_ranges call = {
		.size = sizeof(call), .pidfd = -1, .func_code = MEMCTL_MLOCK, .ranges = (uintptr_t)&range, .count = 1,
	};
	int fd = open_device(0);

	memset(page, 1, PAGE);
	tap_check(!ioctl(fd, MEMCTL_IOCTL_PROCESS_RANGES, &call) && call.done == 1 && !call.ret_errno,
		  "a file holds a page locked (%u)", call.ret_errno);
	return fd;
}

static bool image_was_made(void)
{
	return !system("dmesg | grep -q 'Image created'");
}

/*
 * The image is made of every page, in memory, then written to swap. There is
 * none, so the kernel goes on where it was: what is shown is that it can.
 */
int test_hibernate(void)
{
	int fd, error;

	meet_host();
	write_file("/sys/power/disk", "shutdown");
	fd = hold_page();
	error = write_file("/sys/power/state", "disk");
	tap_check(error == EBUSY && !image_was_made(),
		  "no image is made while a file holds a page (%s)", strerror(error));
	tap_check(host_counter("channels") && host_counter("locked_bytes"), "which stays locked, the device connected");
	close(fd);

	leave_attributes();
	error = write_file("/sys/power/state", "disk");
	tap_check(error && error != EBUSY && image_was_made(),
		  "an image of all memory is made, and can't be written without swap (%s)", strerror(error));
	tap_check(host_counter("channels") && !host_counter("splits"),
		  "the device is connected again, and nothing in force (%lu mappings split off)", host_counter("splits"));
	return 0;
}

/* Ends this kernel as a defect would. The crash kernel then runs the tests on its command line. */
int test_crash(const char *command_line)
{
	meet_host();
	leave_attributes();
	if (!load_kernel(command_line, KEXEC_FILE_ON_CRASH))
		return 1;
	tap_finish();
	/* A console that has not sent all of it loses the rest. */
	tcdrain(STDOUT_FILENO);
	write_file("/proc/sys/kernel/sysrq", "1");
	write_file("/proc/sysrq-trigger", "c");
	tap_bail_out("the kernel does not crash");
}

/* In the crash kernel: the whole of the other's memory, as a dump reads it. */
int test_vmcore(void)
{
	int fd = open("/proc/vmcore", O_RDONLY | O_CLOEXEC);
	unsigned long before, bytes = 0;
	char *buffer = malloc(READ_BYTES);
	ssize_t got = 0;

	meet_host();
	before = host_counter("inaccessible_bytes");
	tap_check(before > 0, "the crashed kernel left pages inaccessible (%lu bytes)", before);
	while (fd >= 0 && (got = read(fd, buffer, READ_BYTES)) > 0)
		bytes += got;
	tap_check(fd >= 0 && !got && bytes > 0, "its whole memory can be read: %lu MiB", bytes >> 20);
	tap_check(host_counter("opened_bytes") >= before && !host_counter("inaccessible_bytes"),
		  "the VMM opened what a vCPU ran into (%lu bytes)", host_counter("opened_bytes"));
	return 0;
}
