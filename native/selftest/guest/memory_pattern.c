// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "machine.h"

/* Odd, so that no word is 0. */
static uint64_t word_at(uint64_t address)
{
	return (address * 0x9e3779b97f4a7c15ull) | 1;
}

/*
 * What the host does to memory it does to whole pages, so a few words of each tell; where the processor is emulated, each
 * store costs. The last word of a page is among them: a range that is cut short shows.
 */
static const uint64_t probes[] = { 0, 8, 2048, PAGE_SIZE - 8 };

#define PROBES (sizeof(probes) / sizeof(probes[0]))

void fill(uint64_t start, uint64_t length)
{
	for (uint64_t page = start; page < start + length; page += PAGE_SIZE) {
		for (unsigned int i = 0; i < PROBES; i++)
			*(volatile uint64_t *)(page + probes[i]) = word_at(page + probes[i]);
	}
}

bool is_filled(uint64_t start, uint64_t length)
{
	for (uint64_t page = start; page < start + length; page += PAGE_SIZE) {
		for (unsigned int i = 0; i < PROBES; i++) {
			if (*(volatile uint64_t *)(page + probes[i]) != word_at(page + probes[i]))
				return false;
		}
	}
	return true;
}

bool is_zero(uint64_t start, uint64_t length)
{
	for (uint64_t page = start; page < start + length; page += PAGE_SIZE) {
		for (unsigned int i = 0; i < PROBES; i++) {
			if (*(volatile uint64_t *)(page + probes[i]))
				return false;
		}
	}
	return true;
}

void fill_words(uint64_t start, uint64_t length)
{
	for (uint64_t address = start; address < start + length; address += 8)
		*(volatile uint64_t *)address = word_at(address);
}

bool are_words_filled(uint64_t start, uint64_t length)
{
	for (uint64_t address = start; address < start + length; address += 8) {
		if (*(volatile uint64_t *)address != word_at(address))
			return false;
	}
	return true;
}
