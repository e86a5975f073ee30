// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <string.h>

#define HEADER 16u
#define CHECKSUM 4u
#define RUN_BYTES 28u
#define PAGE 4096ull
#define NO_WRITE 2u

struct reader {
	const uint8_t *next;
	size_t left;
	bool ended;
};

struct run {
	uint64_t start;
	uint64_t end;
	uint8_t denied;
	uint8_t locked;
	uint8_t no_dump;
	uint8_t merging;
	uint64_t name;
};

static uint32_t crc32c(const uint8_t *bytes, size_t length)
{
	uint32_t crc = UINT32_MAX;

	for (size_t at = 0; at < length; at++) {
		crc ^= bytes[at];
		for (unsigned int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

void state_fix_up(uint8_t *state, size_t length)
{
	uint32_t whole = (uint32_t)length;
	uint32_t crc;

	if (length < HEADER + CHECKSUM)
		return;
	memcpy(state + 12, &whole, sizeof(whole));
	crc = crc32c(state, length - CHECKSUM);
	memcpy(state + length - CHECKSUM, &crc, sizeof(crc));
}

static uint64_t number(struct reader *reader, size_t bytes)
{
	uint64_t value = 0;

	if (bytes > reader->left) {
		reader->ended = true;
		reader->left = 0;
		return 0;
	}
	memcpy(&value, reader->next, bytes);
	reader->next += bytes;
	reader->left -= bytes;
	return value;
}

static bool in_memory(const struct state_limits *limits, uint64_t address)
{
	for (unsigned int region = 0; region < STATE_REGIONS; region++) {
		if (address - limits->regions[region].start < limits->regions[region].length)
			return true;
	}
	return false;
}

static bool same_attributes(const struct run *left, const struct run *right)
{
	return left->denied == right->denied && left->locked == right->locked && left->no_dump == right->no_dump &&
	       left->merging == right->merging && left->name == right->name;
}

static bool closed_at(const struct run *runs, size_t count, uint64_t buffer)
{
	for (size_t index = 0; index < count; index++) {
		for (unsigned int byte = 0; byte < 32; byte++) {
			uint64_t address = buffer + byte;

			if (runs[index].denied & NO_WRITE && address >= runs[index].start && address < runs[index].end)
				return true;
		}
	}
	return false;
}

static bool read_run(struct reader *reader, struct run *run)
{
	run->start = number(reader, 8);
	run->end = number(reader, 8);
	run->denied = (uint8_t)number(reader, 1);
	run->locked = (uint8_t)number(reader, 1);
	run->no_dump = (uint8_t)number(reader, 1);
	run->merging = (uint8_t)number(reader, 1);
	run->name = number(reader, 8);
	return run->denied <= 3 && run->locked <= 1 && run->no_dump <= 1 && run->merging <= 2;
}

static enum state_verdict judge_run(const struct run *run, uint64_t last_end, const struct state_limits *limits)
{
	if (run->start < last_end || run->end <= run->start || run->start % PAGE || run->end % PAGE)
		return STATE_RANGES;
	for (uint64_t page = run->start; page < run->end; page += PAGE) {
		if (!in_memory(limits, page))
			return STATE_RANGES;
	}
	return STATE_FITS;
}

static uint8_t *put(uint8_t *to, uint64_t value, size_t bytes)
{
	memcpy(to, &value, bytes);
	return to + bytes;
}

static size_t write_canonical(uint8_t *to, const uint8_t *state, size_t head, const struct run *runs, size_t count)
{
	uint8_t *at = to + head;

	memcpy(to, state, head);
	/* What a device writes itself has a zero here whatever it read: nothing else is in the header. */
	at = put(at, count, 4);
	for (size_t index = 0; index < count; index++) {
		at = put(at, runs[index].start, 8);
		at = put(at, runs[index].end, 8);
		at = put(at, runs[index].denied, 1);
		at = put(at, runs[index].locked, 1);
		at = put(at, runs[index].no_dump, 1);
		at = put(at, runs[index].merging, 1);
		at = put(at, runs[index].name, 8);
	}
	state_fix_up(to, (size_t)(at - to) + CHECKSUM);
	return (size_t)(at - to) + CHECKSUM;
}

enum state_verdict state_judge(const uint8_t *state, size_t length, const struct state_limits *limits, bool pvmemcontrol,
			       uint8_t *canonical, size_t *canonical_length)
{
	static const struct run untouched;
	static struct run runs[1024];
	const char *dialect = pvmemcontrol ? "pvmemcontrol" : "memctl";
	const char *written = NULL;
	struct reader reader = { state, length > CHECKSUM ? length - CHECKSUM : 0, false };
	enum state_verdict verdict = STATE_FITS;
	enum state_verdict ranges = STATE_FITS;
	uint64_t buffers[4] = { 0 };
	uint64_t locked = 0;
	uint64_t last_end = 0;
	uint64_t transport;
	uint64_t page_size;
	uint64_t count;
	uint64_t channels;
	bool foreign = false;
	size_t kept = 0;
	size_t splits = 0;
	size_t head;
	size_t name;
	uint32_t stored;

	if (length < HEADER + CHECKSUM || memcmp(state, "MMCTLSAV", 8) != 0 || number(&reader, 8) == 0 ||
	    number(&reader, 4) != 1)
		return STATE_NO_STATE;
	memcpy(&stored, state + length - CHECKSUM, sizeof(stored));
	if (number(&reader, 4) != length || stored != crc32c(state, length - CHECKSUM))
		return STATE_CHECKSUM;
	name = number(&reader, 1);
	written = (const char *)reader.next;
	if (name > reader.left)
		return STATE_ENDS_EARLY;
	reader.next += name;
	reader.left -= name;
	page_size = number(&reader, 8);
	transport = number(&reader, 1);
	number(&reader, 8);
	channels = number(&reader, 4);
	if (reader.ended || channels > reader.left / 8)
		return STATE_ENDS_EARLY;
	for (uint64_t channel = 0; channel < channels; channel++) {
		uint64_t buffer = number(&reader, 8);

		if (channel < 4)
			buffers[channel] = buffer;
	}
	head = (size_t)(reader.next - state);
	count = number(&reader, 4);
	if (reader.ended || count * RUN_BYTES != reader.left)
		return STATE_ENDS_EARLY;
	if (transport > 2)
		return STATE_BAD_VALUE;
	for (uint64_t index = 0; index < count; index++) {
		struct run run;

		if (!read_run(&reader, &run))
			return STATE_BAD_VALUE;
		if (ranges == STATE_FITS)
			ranges = judge_run(&run, last_end, limits);
		last_end = run.end;
		if (ranges != STATE_FITS || same_attributes(&run, &untouched))
			continue;
		if (run.merging)
			verdict = STATE_FITS_IF_MERGED;
		foreign |= run.merging == 1 && !pvmemcontrol;
		locked += run.locked ? run.end - run.start : 0;
		if (kept && runs[kept - 1].end == run.start && same_attributes(&runs[kept - 1], &run)) {
			runs[kept - 1].end = run.end;
			continue;
		}
		splits += kept && runs[kept - 1].end == run.start ? 1 : 2;
		/* A state is too short for more than 1024 of them. */
		runs[kept++] = run;
	}
	if (name != strlen(dialect) || memcmp(written, dialect, name) != 0 || page_size != PAGE)
		return STATE_OTHER_DEVICE;
	if (channels > limits->channels || (transport == 0 && channels))
		return STATE_CHANNELS;
	if (ranges != STATE_FITS)
		return ranges;
	if (foreign)
		return STATE_BAD_VALUE;
	if (splits > limits->splits || locked > limits->locked)
		return STATE_BUDGET;
	for (uint64_t channel = 0; channel < channels; channel++) {
		if (buffers[channel] > UINT64_MAX - 32 || closed_at(runs, kept, buffers[channel]))
			return STATE_BUFFER;
	}
	*canonical_length = write_canonical(canonical, state, head, runs, kept);
	return verdict;
}
