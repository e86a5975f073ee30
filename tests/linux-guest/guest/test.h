/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-guest tests of memctl. Results go to standard output as TAP; questions to
 * the host go the same way (watch-guest.c).
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"
#include "tap.h"

#define PAGE 4096UL
#define HUGE_PAGE (2UL << 20)
#define SMALL_PER_HUGE (HUGE_PAGE / PAGE)

/* --- console.c: the host at the other end of the console --- */

/* Sends "@host QUERY" and returns the host's answer, valid until the next. */
const char *ask_host(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* A counter of the first memctl device, as the VMM tells it. */
unsigned long host_counter(const char *name);

/* KiB of host memory behind this guest's RAM. */
struct usage {
	long resident, allocated;
};

struct usage host_usage(void);

/* What KVM has counted of this guest: exits for MMIO, all exits, interrupts. */
struct exits {
	unsigned long mmio, all, interrupts;
};

/* False where the host does not show it. */
bool host_exits(struct exits *exits);

enum backing { PRIVATE, SHARED, HUGETLB_PRIVATE, HUGETLB_SHARED, BACKINGS };

/* Set by meet_host(). */
extern enum backing backing;
extern uint64_t ram_end;	/* first guest-physical byte past the RAM that the host looks at */
extern uint64_t host_unit;	/* bytes of a host page behind RAM */
extern int host_name_error;	/* the host kernel's answer to a name on such memory */
extern bool host_has_swap;

/* Lets the host find this guest's memory; every test begins with it. */
void meet_host(void);

/* --- device.c --- */

int open_device(int flags);
/*
 * One request through ioctl. Returns ret_errno, or -errno where the ioctl
 * itself failed; the whole answer is in buf if that is not NULL.
 */
int request(int fd, uint64_t func_code, uint64_t addr, uint64_t length,
	    uint64_t arg, struct memctl_buf *buf);
const char *code_name(unsigned int func_code);

/* The code that gives memory back on this backing (hugepage.c). */
unsigned int discard_code(void);

/* --- block.c: guest memory whose guest-physical place is known --- */

struct block {
	unsigned char *va;
	uint64_t gpa;
	size_t length;
};

/* One huge page of this guest, aligned to its size in both spaces. */
struct block huge_block(void);
void free_block(struct block *block);
uint64_t guest_physical(const void *va);

/*
 * Huge pages that lie in a row in guest-physical space from gpa on; their
 * virtual places need not.
 */
struct row {
	struct block *pages;
	int count;
	uint64_t gpa;
	size_t length;
};

struct row huge_row(int count);
void free_row(struct row *row);

/* Every 8 bytes hold a value of their own, made from seed and place. */
void fill_block(const struct block *block, uint64_t seed);
void fill_row(const struct row *row, uint64_t seed);

enum content { INTACT = 1, ZERO = 2, OTHER = 4 };

/* Of length bytes at offset, both multiples of 8. */
enum content block_content(const struct block *block, size_t offset,
			   size_t length, uint64_t seed);
enum content row_content(const struct row *row, size_t offset, size_t length,
			 uint64_t seed);

/* --- hostview.c: what the host shows of a row, page by page --- */

#define VIEW_PAGES 1536

struct view {
	int pages;
	char state[VIEW_PAGES];
	char attributes[VIEW_PAGES][8];
};

void host_view(struct view *view, uint64_t gpa, size_t length);
/* A page's attributes after a code that succeeds: what the VMM has set stays. */
void attributes_after(unsigned int code, const char *before, char after[8]);
/*
 * The first page in which two views differ other than in those from
 * first on (count of them), or -1.
 */
int other_change(const struct view *before, const struct view *after, int first,
		 int count);

/* --- images.c --- */

/* Sets one attribute of each kind on pages of this process, for nobody to revert. Returns how many are protected. */
unsigned int leave_attributes(void);

/* --- kexec.c --- */

/* Loads the kernel in /boot; flags are those of kexec_file_load(2). */
bool load_kernel(const char *command_line, unsigned long flags);

/* --- the tests --- */

int test_codes(void);
int test_errors(void);
int test_huge_page(void);
/* The VMM's memory is private, on transparent huge pages. */
int test_khugepaged(void);
int test_gigantic(void);
int test_access(void);
int test_tool(void);
int test_examples(void);
int test_steps(void);
int test_top(void);
int test_stress(unsigned int seconds);
int test_fuzz(unsigned long calls);
/* unbounded: the device's max_request_time is out of the way */
int test_report(unsigned long mib, bool unbounded);
/* The device's max_request_time is 0. */
int test_stay(void);
int test_moved(unsigned long mib);
int test_silence(void);
int test_kexec(const char *command_line);
int test_hibernate(void);
int test_crash(const char *command_line);
int test_vmcore(void);
/* folder: the PCI function's in sysfs */
int test_disconnected(const char *folder);

#endif
