// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

/* Odd, so that no word is 0. */
static uint64_t word_at(uint64_t address)
{
	return (address * 0x9e3779b97f4a7c15ull) | 1;
}

void fill(uint64_t start, uint64_t length)
{
	for (uint64_t address = start; address < start + length; address += 8)
		*(volatile uint64_t *)address = word_at(address);
}

bool is_filled(uint64_t start, uint64_t length)
{
	for (uint64_t address = start; address < start + length; address += 8) {
		if (*(volatile uint64_t *)address != word_at(address))
			return false;
	}
	return true;
}

bool is_zero(uint64_t start, uint64_t length)
{
	for (uint64_t address = start; address < start + length; address += 8) {
		if (*(volatile uint64_t *)address)
			return false;
	}
	return true;
}
