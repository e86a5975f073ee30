// SPDX-License-Identifier: Apache-2.0
#include "boot_info.h"

#include "console.h"
#include "machine.h"

/* Xen's public/arch-x86/hvm/start_info.h, version 1 */
#define START_INFO_MAGIC 0x336ec578u
#define MEMORY_MAP_RAM 1u

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t memory_map;
	uint32_t memory_map_entries;
	uint32_t reserved;
};

struct memory_map_entry {
	uint64_t address;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

#define GIB4 (1ull << 32)
#define HUGE_UNIT (2ull << 20)
/* Tests start here, clear of the image and of what a loader leaves behind it. */
#define ARENA_START (32ull << 20)

struct options options = { MODE_TAP, "tap", 1, false, PAGE_SIZE, 4096, 10000, 0, 0, false };
struct memory_range ram;
uint64_t ram_end_below_4g;
uint64_t ram_end;

extern const char image_end[];

static uint64_t arena_next;

/* Returns what follows name and '=' in word, or null. */
static const char *value_of(const char *word, const char *name)
{
	while (*name && *word == *name) {
		word++;
		name++;
	}
	return !*name && *word == '=' ? word + 1 : 0;
}

static bool is_word(const char *text, const char *word)
{
	while (*word && *text == *word) {
		text++;
		word++;
	}
	return !*word && (!*text || *text == ' ');
}

static bool parse_number(const char *text, uint64_t *number)
{
	uint64_t value = 0;

	for (; *text && *text != ' '; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*number = value;
	return true;
}

static bool parse_mode(const char *text)
{
	static const struct {
		const char *name;
		enum mode mode;
	} modes[] = { { "tap", MODE_TAP }, { "steps", MODE_STEPS }, { "load", MODE_LOAD }, { "hold", MODE_HOLD },
		    { "attack", MODE_ATTACK },		    { "access-fault", MODE_ACCESS_FAULT } };

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (is_word(text, modes[i].name)) {
			options.mode = modes[i].mode;
			options.mode_name = modes[i].name;
			return true;
		}
	}
	return false;
}

static bool parse_ram(const char *text)
{
	options.shared = is_word(text, "shared");
	return options.shared || is_word(text, "private");
}

static bool parse_dialect(const char *text)
{
	options.pvmemcontrol = is_word(text, "pvmemcontrol");
	return options.pvmemcontrol || is_word(text, "memctl");
}

static bool parse_word(const char *word)
{
	const char *value;

	if ((value = value_of(word, "mode")))
		return parse_mode(value);
	if ((value = value_of(word, "ram")))
		return parse_ram(value);
	if ((value = value_of(word, "cpus")))
		return parse_number(value, &options.cpus) && options.cpus;
	if ((value = value_of(word, "unit")))
		return parse_number(value, &options.unit) && (options.unit == PAGE_SIZE || options.unit == HUGE_UNIT);
	if ((value = value_of(word, "channels")))
		return parse_number(value, &options.channels) && options.channels;
	if ((value = value_of(word, "requests")))
		return parse_number(value, &options.requests) && options.requests;
	if ((value = value_of(word, "range")))
		return parse_number(value, &options.range);
	if ((value = value_of(word, "name_errno")))
		return parse_number(value, &options.name_errno);
	if ((value = value_of(word, "dialect")))
		return parse_dialect(value);
	/* Words of others: a VMM may add some. */
	return true;
}

static bool parse_command_line(const char *line)
{
	for (;;) {
		while (*line == ' ')
			line++;
		if (!*line)
			return true;
		if (!parse_word(line)) {
			print("Bail out! bad option at: %s\n", line);
			return false;
		}
		while (*line && *line != ' ')
			line++;
	}
}

static void read_memory_map(const struct memory_map_entry *entries, uint32_t count)
{
	uint64_t image = (uint64_t)image_end - 1;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t end = entries[i].address + entries[i].size;

		if (entries[i].type != MEMORY_MAP_RAM)
			continue;
		print("# RAM 0x%x to 0x%x\n", entries[i].address, end);
		if (entries[i].address <= image && image < end)
			ram = (struct memory_range){ entries[i].address, end };
		if (end <= GIB4 && end > ram_end_below_4g)
			ram_end_below_4g = end;
		if (end > ram_end)
			ram_end = end;
	}
}

bool boot_info_init(uint64_t address)
{
	const struct start_info *info = (const struct start_info *)address;

	if (info->magic != START_INFO_MAGIC || info->version < 1) {
		print("Bail out! no hvm_start_info of version 1 at 0x%x\n", address);
		return false;
	}
	read_memory_map((const struct memory_map_entry *)info->memory_map, info->memory_map_entries);
	if (ram.end <= ARENA_START) {
		print("Bail out! the memory map has no RAM behind this image\n");
		return false;
	}
	arena_next = ARENA_START;
	return !info->command_line || parse_command_line((const char *)info->command_line);
}

uint64_t take_memory(uint64_t bytes, uint64_t alignment)
{
	uint64_t start = (arena_next + alignment - 1) & ~(alignment - 1);

	/* The last unit stays free for the tests of the end of RAM. */
	if (start + bytes > ram.end - options.unit) {
		print("Bail out! out of guest RAM: this test needs more\n");
		power_off();
	}
	arena_next = start + bytes;
	return start;
}
