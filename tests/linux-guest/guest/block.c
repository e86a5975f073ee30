// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_PFN ((1ULL << 55) - 1)

/* How many huge pages huge_row() takes to find some in a row. */
#define ROW_POOL 48

uint64_t guest_physical(const void *va)
{
	static int pagemap = -1;
	uint64_t entry = 0;

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(pagemap, &entry, sizeof(entry), (uintptr_t)va / PAGE * 8) != 8 ||
	    !(entry & PAGEMAP_PRESENT))
		tap_bail_out("no guest-physical address for %p", va);
	return (entry & PAGEMAP_PFN) * PAGE + (uintptr_t)va % PAGE;
}

/*
 * Transparent, not hugetlbfs, so that nothing has to be set aside at boot.
 * Locked, so that this kernel does not move or split it.
 */
struct block huge_block(void)
{
	struct block block = { .length = HUGE_PAGE };
	unsigned char *map = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *va;
	size_t offset;

	if (map == MAP_FAILED)
		tap_bail_out("no address space for a huge page");
	va = (unsigned char *)(((uintptr_t)map + HUGE_PAGE - 1) & -HUGE_PAGE);
	if (va > map)
		munmap(map, va - map);
	munmap(va + HUGE_PAGE, map + HUGE_PAGE - va);
	if (madvise(va, HUGE_PAGE, MADV_HUGEPAGE) || mlock(va, HUGE_PAGE))
		tap_bail_out("no huge page");
	block.va = va;
	block.gpa = guest_physical(va);
	for (offset = 0; offset < HUGE_PAGE; offset += PAGE)
		if (guest_physical(va + offset) != block.gpa + offset)
			tap_bail_out("the huge page is made of small ones");
	return block;
}

static int by_gpa(const void *a, const void *b)
{
	uint64_t x = ((const struct block *)a)->gpa, y = ((const struct block *)b)->gpa;

	return x < y ? -1 : x > y;
}

void free_block(struct block *block)
{
	munmap(block->va, block->length);
}

struct row huge_row(int count)
{
	int pool_size = count == 1 ? 1 : ROW_POOL, i, first = 0, length = 1;
	struct block *pool = calloc(pool_size, sizeof(*pool));
	struct row row = { .count = count, .length = count * HUGE_PAGE };

	for (i = 0; i < pool_size; i++)
		pool[i] = huge_block();
	qsort(pool, pool_size, sizeof(*pool), by_gpa);
	for (i = 1; i < pool_size && length < count; i++) {
		bool adjoins = pool[i].gpa == pool[i - 1].gpa + HUGE_PAGE;

		first = adjoins ? first : i;
		length = adjoins ? length + 1 : 1;
	}
	if (length < count)
		tap_bail_out("no %d huge pages in a row", count);
	row.pages = calloc(count, sizeof(*row.pages));
	memcpy(row.pages, pool + first, count * sizeof(*pool));
	row.gpa = row.pages[0].gpa;
	for (i = 0; i < pool_size; i++)
		if (i < first || i >= first + count)
			free_block(&pool[i]);
	free(pool);
	return row;
}

void free_row(struct row *row)
{
	int i;

	for (i = 0; i < row->count; i++)
		free_block(&row->pages[i]);
	free(row->pages);
}

static uint64_t value_at(uint64_t seed, uint64_t place)
{
	return ((seed << 40) ^ place) * 0x9e3779b97f4a7c15ULL | 1;
}

void fill_block(const struct block *block, uint64_t seed)
{
	uint64_t *words = (uint64_t *)block->va;
	size_t i;

	for (i = 0; i < block->length / 8; i++)
		words[i] = value_at(seed, block->gpa + i * 8);
}

void fill_row(const struct row *row, uint64_t seed)
{
	int i;

	for (i = 0; i < row->count; i++)
		fill_block(&row->pages[i], seed);
}

enum content block_content(const struct block *block, size_t offset,
			   size_t length, uint64_t seed)
{
	const volatile uint64_t *words = (uint64_t *)(block->va + offset);
	bool intact = true, zero = true;
	size_t i;

	for (i = 0; i < length / 8; i++) {
		uint64_t word = words[i];

		intact &= word == value_at(seed, block->gpa + offset + i * 8);
		zero &= word == 0;
	}
	return intact ? INTACT : zero ? ZERO : OTHER;
}

enum content row_content(const struct row *row, size_t offset, size_t length,
			 uint64_t seed)
{
	enum content all = INTACT | ZERO;

	while (length) {
		size_t inside = offset % HUGE_PAGE;
		size_t part = length < HUGE_PAGE - inside ? length : HUGE_PAGE - inside;

		all &= block_content(&row->pages[offset / HUGE_PAGE], inside, part, seed);
		offset += part;
		length -= part;
	}
	return all & INTACT ? INTACT : all & ZERO ? ZERO : OTHER;
}
