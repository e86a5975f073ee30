// SPDX-License-Identifier: GPL-2.0
/*
 * A huge page of 1 GiB that stays whole in this guest while the host frees it,
 * as a whole and in parts, again and again. The guest takes it at boot, see
 * guest-cmdline.sh.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GIB (1UL << 30)
#define MIB (1UL << 20)
#define ROUNDS 3
#define NAME 42

/* Guest kernel and host touch some of their own meanwhile, the host in huge pages. */
#define NOISE_KIB (4L << 10)

#ifndef MAP_HUGE_1GB
#define MAP_HUGE_1GB (30 << 26)
#endif

/* In this order, apart from each other; the last ends the page. 0 as length: one host page. */
static const struct {
	size_t offset, length;
} parts[] = { { 0, 0 }, { 6 * MIB, 2 * MIB }, { 256 * MIB, 256 * MIB }, { 514 * MIB, 510 * MIB } };

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static struct block take_page(void)
{
	struct block page = { .length = GIB };

	page.va = mmap(NULL, GIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_1GB, -1, 0);
	if (page.va == MAP_FAILED)
		tap_bail_out("no huge page of 1 GiB: %s", strerror(errno));
	*page.va = 1;
	page.gpa = guest_physical(page.va);
	return page;
}

static size_t part_length(size_t part)
{
	return parts[part].length ? parts[part].length : host_unit;
}

static bool is_freed(size_t offset, size_t freed_parts)
{
	size_t part;

	for (part = 0; part < freed_parts; part++)
		if (offset >= parts[part].offset && offset - parts[part].offset < part_length(part))
			return true;
	return false;
}

/* One word in each small page, at another place in each: all words would take long. */
static uint64_t *word_of(const struct block *page, size_t offset)
{
	return (uint64_t *)(page->va + offset + offset / PAGE % (PAGE / 8) * 8);
}

static uint64_t value_of(size_t offset, unsigned int round)
{
	return (offset / PAGE + 1) << 8 | (round + 1);
}

static void fill(const struct block *page, unsigned int round)
{
	size_t offset;

	for (offset = 0; offset < GIB; offset += PAGE)
		*word_of(page, offset) = value_of(offset, round);
}

/* Pages outside the freed parts that lost their word. */
static unsigned long count_lost(const struct block *page, size_t freed_parts, unsigned int round)
{
	unsigned long lost = 0;
	size_t offset;

	for (offset = 0; offset < GIB; offset += PAGE)
		if (!is_freed(offset, freed_parts))
			lost += *word_of(page, offset) != value_of(offset, round);
	return lost;
}

/* Some of the words only: to read shared memory is to allocate it. */
static bool reads_zero(const struct block *page, size_t offset, size_t length)
{
	const size_t stride = length / 8 > PAGE ? length / 8 & -PAGE : PAGE;
	bool zero = true;
	size_t at;

	for (at = offset; at < offset + length; at += stride)
		zero &= *word_of(page, at) == 0;
	return zero && *word_of(page, offset + length - PAGE) == 0;
}

static void check_grown(struct usage before, long kib, const char *what)
{
	struct usage after = host_usage();

	tap_check(labs(after.resident - before.resident - kib) <= NOISE_KIB &&
		  labs(after.allocated - before.allocated - kib) <= NOISE_KIB,
		  "%s: the host has %ld KiB more in use (resident %ld -> %ld KiB, allocated %ld -> %ld KiB)", what,
		  kib, before.resident, after.resident, before.allocated, after.allocated);
}

/* Looks at the host before the guest reads: what is read may come back. */
static void check_gone(const struct block *page, size_t offset, size_t length)
{
	size_t unit = length > HUGE_PAGE ? HUGE_PAGE : host_unit;
	char gone[16];
	const char *pages;

	snprintf(gone, sizeof(gone), "%zu*.", length / unit);
	pages = ask_host("pages %lx %lx %lx", page->gpa + offset, length, unit);
	tap_check(!strcmp(pages, gone), "the host has nothing there (%s, %s)", pages, gone);
	tap_check(reads_zero(page, offset, length), "the guest reads zeros there");
}

static void test_names(int fd, const struct block *page)
{
	const char *shown = host_name_error ? "-" :
			    backing == PRIVATE ? "[anon:memctl-42]" : "[anon_shmem:memctl-42]";
	const char *first, *last;
	int error = request(fd, MEMCTL_SET_VMA_ANON_NAME, page->gpa, GIB, NAME, NULL);

	tap_check(error == host_name_error, "SET_VMA_ANON_NAME of 1 GiB answers as the host kernel does, %d (%d)",
		  host_name_error, error);
	first = strdup(ask_host("name %lx", page->gpa));
	last = ask_host("name %lx", page->gpa + GIB - PAGE);
	tap_check(!strcmp(first, shown) && !strcmp(last, shown),
		  "the host shows the name %s from its first page (%s) to its last (%s)", shown, first, last);
	tap_check(strcmp(ask_host("name %lx", page->gpa + GIB), shown) || host_name_error,
		  "and not behind it");
	error = request(fd, MEMCTL_SET_VMA_ANON_NAME, page->gpa, GIB, 0, NULL);
	tap_check(error == host_name_error, "SET_VMA_ANON_NAME 0 answers likewise, %d (%d)", host_name_error, error);
	last = ask_host("name %lx", page->gpa);
	tap_check(!strcmp(last, "-"), "and takes the name away (%s)", last);
}

static void free_whole(int fd, const struct block *page, unsigned int round)
{
	struct usage before = host_usage();

	tap_check(!request(fd, discard_code(), page->gpa, GIB, 0, NULL),
		  "round %u: %s of 1 GiB in one request answers 0", round, code_name(discard_code()));
	check_grown(before, -(long)(GIB / 1024), "freed as a whole");
	check_gone(page, 0, GIB);
}

static void free_parts(int fd, const struct block *page, unsigned int round)
{
	size_t part;

	for (part = 0; part < PARTS; part++) {
		size_t length = part_length(part);
		struct usage before = host_usage();
		unsigned long lost;

		tap_check(!request(fd, discard_code(), page->gpa + parts[part].offset, length, 0, NULL),
			  "round %u: %s of %zu KiB at %zu MiB of it answers 0", round, code_name(discard_code()),
			  length / 1024, parts[part].offset / MIB);
		check_grown(before, -(long)(length / 1024), "freed in part");
		check_gone(page, parts[part].offset, length);
		lost = count_lost(page, part + 1, round);
		tap_check(!lost, "all else of it is intact (%lu pages are not)", lost);
	}
}

int test_gigantic(void)
{
	int fd = open_device(0);
	struct block page;
	struct usage before;
	unsigned int round;

	meet_host();
	before = host_usage();
	page = take_page();
	tap_check(!(page.gpa % GIB) && guest_physical(page.va + GIB - PAGE) == page.gpa + GIB - PAGE,
		  "the guest has one page of 1 GiB (at %#lx)", page.gpa);
	fill(&page, 0);
	check_grown(before, GIB / 1024, "filled");
	test_names(fd, &page);
	for (round = 0; round < ROUNDS; round++) {
		free_whole(fd, &page, round);
		before = host_usage();
		fill(&page, round);
		check_grown(before, GIB / 1024, "filled again");
		free_parts(fd, &page, round);
		fill(&page, round + 1);
		tap_check(!count_lost(&page, 0, round + 1), "round %u: it holds what is written to it again", round);
	}
	tap_check(guest_physical(page.va + GIB - PAGE) == page.gpa + GIB - PAGE,
		  "the guest has it as one page still");
	munmap(page.va, GIB);
	return 0;
}
