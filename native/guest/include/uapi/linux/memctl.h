/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * memctl: control the host mapping behind guest physical memory
 *
 * One ioctl on /dev/memctl carries one request to the device and brings its
 * answer back in the same 32 bytes. Fields have the byte order of the CPU; the
 * driver converts to the device's little-endian layout.
 */
#ifndef _UAPI_LINUX_MEMCTL_H
#define _UAPI_LINUX_MEMCTL_H

#ifdef __KERNEL__
#include <linux/ioctl.h>
#include <linux/types.h>
#else
#ifdef __has_include
#if __has_include("linux/types.h") && __has_include("linux/ioctl.h")
#define _MEMCTL_LINUX_TYPES
#endif
#endif
#ifdef _MEMCTL_LINUX_TYPES
#include <linux/ioctl.h>
#include <linux/types.h>
#else /* a C library without the kernel's headers beside it */
#include <stdint.h>
#include <sys/ioctl.h>
typedef uint32_t __u32;
typedef uint64_t __u64;
#endif
#undef _MEMCTL_LINUX_TYPES
#endif

/**
 * struct memctl_vmm_call - a request
 * @func_code: one of the MEMCTL_* function codes
 * @addr: guest physical address, in units of the host's page
 * @length: bytes, in units of the host's page
 * @arg: for MEMCTL_SET_VMA_ANON_NAME a number chosen by the caller (0 clears
 *	 the name); otherwise 0
 */
struct memctl_vmm_call {
	__u64 func_code;
	__u64 addr;
	__u64 length;
	__u64 arg;
};

/**
 * struct memctl_vmm_ret - the answer to every request but MEMCTL_INFO
 * @ret_errno: Linux errno, 0 on success
 * @ret_code: the device's own error code, 0 where @ret_errno is the errno of
 *	      the host's system call
 * @ret_value: reserved
 * @arg0: reserved
 * @arg1: reserved
 */
struct memctl_vmm_ret {
	__u32 ret_errno;
	__u32 ret_code;
	__u64 ret_value;
	__u64 arg0;
	__u64 arg1;
};

/**
 * struct memctl_vmm_info - the answer to MEMCTL_INFO
 * @ret_errno: Linux errno, 0 on success
 * @ret_code: the device's own error code, 0 on success
 * @big_endian: non-zero if the host is big-endian
 * @major_version: protocol version, 1
 * @minor_version: protocol version, 0
 * @page_size: bytes in a page of the host: the unit of @addr and @length
 */
struct memctl_vmm_info {
	__u32 ret_errno;
	__u32 ret_code;
	__u64 big_endian;
	__u32 major_version;
	__u32 minor_version;
	__u64 page_size;
};

/**
 * struct memctl_buf - a request on the way in, its answer on the way out
 * @call: the request
 * @ret: the answer
 * @info: the answer to MEMCTL_INFO
 */
struct memctl_buf {
	union {
		struct memctl_vmm_call call;
		struct memctl_vmm_ret ret;
		struct memctl_vmm_info info;
	};
};

/* Function codes, with what the host does to the range */
#define MEMCTL_INFO			0	/* nothing: describe the device */
#define MEMCTL_DONTNEED			1	/* madvise MADV_DONTNEED */
#define MEMCTL_REMOVE			2	/* madvise MADV_REMOVE */
#define MEMCTL_FREE			3	/* madvise MADV_FREE */
#define MEMCTL_PAGEOUT			4	/* madvise MADV_PAGEOUT */
#define MEMCTL_UNMERGEABLE		5	/* madvise MADV_UNMERGEABLE */
#define MEMCTL_DONTDUMP			6	/* madvise MADV_DONTDUMP */
#define MEMCTL_MLOCK			7	/* mlock2 */
#define MEMCTL_MUNLOCK			8	/* munlock */
#define MEMCTL_MPROTECT_NONE		9	/* mprotect PROT_NONE */
#define MEMCTL_MPROTECT_R		10	/* mprotect PROT_READ */
#define MEMCTL_MPROTECT_W		11	/* mprotect PROT_WRITE */
#define MEMCTL_MPROTECT_RW		12	/* mprotect PROT_READ | PROT_WRITE */
#define MEMCTL_SET_VMA_ANON_NAME	13	/* prctl PR_SET_VMA_ANON_NAME */

#define MEMCTL_IOCTL_TYPE		0xDA
#define MEMCTL_IOCTL_NR			0x00

/*
 * Returns 0 when the device answered, whatever the answer. Errors: EINVAL for
 * another command, EFAULT for a bad pointer, ENODEV when the device has gone,
 * EIO when it did not answer.
 */
#define MEMCTL_IOCTL_VMM \
	_IOWR(MEMCTL_IOCTL_TYPE, MEMCTL_IOCTL_NR, struct memctl_buf)

#endif /* _UAPI_LINUX_MEMCTL_H */
