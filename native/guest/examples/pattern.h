/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMCTL_EXAMPLE_PATTERN_H
#define MEMCTL_EXAMPLE_PATTERN_H

#include <linux/types.h>

/* Words that differ from each other and from what other memory may hold. */
static inline u64 pattern_word(size_t index)
{
	return 0x9e3779b97f4a7c15ULL * (index + 1);
}

static inline void pattern_fill(u64 *memory, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes / sizeof(*memory); i++)
		WRITE_ONCE(memory[i], pattern_word(i));
}

/* Whether the bytes from @from to @to of filled memory are as they were filled. */
static inline bool pattern_intact(const u64 *memory, size_t from, size_t to)
{
	size_t i;

	for (i = from / sizeof(*memory); i < to / sizeof(*memory); i++) {
		if (READ_ONCE(memory[i]) != pattern_word(i))
			return false;
	}
	return true;
}

#endif /* MEMCTL_EXAMPLE_PATTERN_H */
