// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "reference.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Absent from the C library's headers of Debian 12. */
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

/* The file stays open, so that snapshot_view() finds it. */
static char *map_shared(size_t length, unsigned int flags, int *file)
{
	*file = memfd_create("reference", MFD_CLOEXEC | flags);
	if (*file < 0 || ftruncate(*file, (off_t)length))
		return MAP_FAILED;
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
}

/* Kernels without transparent huge pages refuse the advice; there is nothing to advise then. */
static char *map_private(size_t length, bool transparent)
{
	char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory != MAP_FAILED)
		madvise(memory, length, transparent ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return memory;
}

static char *map(enum backing backing, size_t length, int *file)
{
	*file = -1;
	if (is_shared(backing))
		return map_shared(length, backing == BACKING_HUGEPAGES ? MFD_HUGETLB : 0, file);
	return map_private(length, backing == BACKING_TRANSPARENT);
}

bool reference_new(struct reference *reference, enum backing backing, size_t all_length, size_t before_length, size_t length,
		   bool filled)
{
	char *all;
	int file;

	reference_free(reference);
	all = map(backing, all_length, &file);
	if (all == MAP_FAILED) {
		if (file >= 0)
			close(file);
		return false;
	}
	if (filled)
		memset(all, 1, all_length);
	*reference = (struct reference){ all, all_length, all + before_length, length, file };
	return true;
}

void reference_free(struct reference *reference)
{
	if (!reference->all)
		return;
	munmap(reference->all, reference->all_length);
	if (reference->file >= 0)
		close(reference->file);
	*reference = (struct reference){ 0 };
}

static int set_name(const struct reference *reference, unsigned long long arg)
{
	char name[64];

	snprintf(name, sizeof(name), NAME_PREFIX "%llu", arg);
	return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, reference->range, reference->length, arg ? name : NULL);
}

static int call(const struct reference *reference, enum func_code code, unsigned long long arg)
{
	char *range = reference->range;
	size_t length = reference->length;

	switch (code) {
	case FUNC_DONTNEED:
		return madvise(range, length, MADV_DONTNEED);
	case FUNC_REMOVE:
		return madvise(range, length, MADV_REMOVE);
	case FUNC_FREE:
		return madvise(range, length, MADV_FREE);
	case FUNC_PAGEOUT:
		return madvise(range, length, MADV_PAGEOUT);
	case FUNC_UNMERGEABLE:
		return madvise(range, length, MADV_UNMERGEABLE);
	case FUNC_DONTDUMP:
		return madvise(range, length, MADV_DONTDUMP);
	case FUNC_MLOCK:
		return mlock2(range, length, 0);
	case FUNC_MUNLOCK:
		return munlock(range, length);
	case FUNC_MPROTECT_NONE:
		return mprotect(range, length, PROT_NONE);
	case FUNC_MPROTECT_R:
		return mprotect(range, length, PROT_READ);
	case FUNC_MPROTECT_W:
		return mprotect(range, length, PROT_WRITE);
	case FUNC_MPROTECT_RW:
		return mprotect(range, length, PROT_READ | PROT_WRITE);
	case FUNC_SET_VMA_ANON_NAME:
		return set_name(reference, arg);
	case FUNC_INFO:
	case FUNC_CODES:
		break;
	}
	return 0;
}

int reference_call(const struct reference *reference, enum func_code code, unsigned long long arg)
{
	return call(reference, code, arg) ? errno : 0;
}

int reference_name_errno(enum backing backing)
{
	size_t length = backing == BACKING_HUGEPAGES ? HUGE_PAGE_MIB << 20 : 4096;
	struct reference reference = { 0 };
	int error;

	if (!reference_new(&reference, backing, length, 0, length, false))
		return -1;
	error = reference_call(&reference, FUNC_SET_VMA_ANON_NAME, 42);
	reference_free(&reference);
	return error;
}
