// SPDX-License-Identifier: GPL-2.0
/* Who may open the device, and what its ioctl refuses. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define IOCTL_OF_32_BITS 54

static void drop_to_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

static void drop_sys_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(99);
	data[0].effective &= ~(1U << CAP_SYS_ADMIN);
	if (syscall(SYS_capset, &header, data))
		_exit(99);
}

/* errno of an open in a child that first gives something up. */
static int open_error_after(void (*drop)(void))
{
	pid_t child = fork();
	int status;

	if (!child) {
		int fd;

		drop();
		fd = open_device(0);
		_exit(fd < 0 ? -fd : 0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int ioctl_error(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

/*
 * A system call as a 32-bit program makes it. The argument has to lie below
 * 4 GiB. The kernel may clear r8 to r11 on this way.
 */
static long ioctl_of_32_bits(int fd, unsigned int command, void *argument)
{
	long result;

	asm volatile("int $0x80"
		     : "=a"(result)
		     : "a"(IOCTL_OF_32_BITS), "b"(fd), "c"(command), "d"(argument)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)result;
}

static void test_compat(int fd)
{
	struct memctl_buf *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (low == MAP_FAILED)
		tap_bail_out("no memory below 4 GiB");
	low->call.func_code = MEMCTL_INFO;
	tap_check(!ioctl_of_32_bits(fd, MEMCTL_IOCTL_VMM, low) && !low->info.ret_errno &&
		  low->info.page_size == PAGE && low->info.major_version == 1,
		  "a 32-bit caller gets INFO");
	low->call.func_code = MEMCTL_DONTNEED;
	low->call.addr = 1ULL << 63;
	low->call.length = PAGE;
	tap_check(!ioctl_of_32_bits(fd, MEMCTL_IOCTL_VMM, low) &&
		  low->ret.ret_errno == EINVAL,
		  "a 32-bit caller's 64-bit address arrives whole");
	tap_check(ioctl_of_32_bits(fd, MEMCTL_IOCTL_VMM, NULL) == -EFAULT,
		  "a 32-bit caller's bad pointer is EFAULT");
	munmap(low, PAGE);
}

static void test_pointers(int fd)
{
	void *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct memctl_buf *at_end = (struct memctl_buf *)(page + PAGE - 16);

	munmap(page + PAGE, PAGE);
	tap_check(ioctl_error(fd, MEMCTL_IOCTL_VMM, NULL) == EFAULT, "a null buffer is EFAULT");
	tap_check(ioctl_error(fd, MEMCTL_IOCTL_VMM, (void *)-PAGE) == EFAULT,
		  "a buffer in the kernel is EFAULT");
	tap_check(ioctl_error(fd, MEMCTL_IOCTL_VMM, at_end) == EFAULT,
		  "a buffer that runs off its page is EFAULT");
	tap_check(ioctl_error(fd, MEMCTL_IOCTL_VMM, read_only) == EFAULT,
		  "a buffer that can't take the answer is EFAULT");
	munmap(page, PAGE);
	munmap(read_only, PAGE);
}

int test_access(void)
{
	struct memctl_buf buf = { .call.func_code = MEMCTL_INFO };
	struct stat device;
	int fd = open_device(0);

	if (!tap_check(fd >= 0 && !fstat(fd, &device) && S_ISCHR(device.st_mode),
		       "root opens the device"))
		return 1;
	tap_check(!(device.st_mode & 077), "its mode keeps others out (%o)", device.st_mode & 0777);
	/* Let everybody through the mode, to meet the driver's own check. */
	if (fchmod(fd, 0666))
		tap_bail_out("no way to change the device's mode");
	tap_check(open_error_after(drop_to_nobody) == EACCES, "another user gets EACCES");
	tap_check(open_error_after(drop_sys_admin) == EACCES,
		  "root without CAP_SYS_ADMIN gets EACCES");
	if (fchmod(fd, device.st_mode & 0777))
		tap_bail_out("no way to change the device's mode back");
	tap_check(open_device(O_EXCL) == -EINVAL, "O_EXCL is EINVAL");
	tap_check(ioctl_error(fd, _IOWR(0xDA, 0x01, struct memctl_buf), &buf) == EINVAL &&
		  ioctl_error(fd, _IOWR(0xDA, 0x00, int), &buf) == EINVAL &&
		  ioctl_error(fd, _IO(0xDA, 0x00), &buf) == EINVAL,
		  "any other ioctl is EINVAL");
	tap_check(!ioctl_error(fd, MEMCTL_IOCTL_VMM, &buf) && buf.info.major_version == 1,
		  "the right one works after all that");
	test_pointers(fd);
	test_compat(fd);
	close(fd);
	return 0;
}
