// SPDX-License-Identifier: Apache-2.0
#include "state.h"

#include <string.h>

#define HEADER 20u
#define CHECKSUM 4u
#define PAGE 4096ull
#define NO_WRITE 2u
#define MAX_NAME 32u
/* More than fit into any state that is judged: the shortest section has seven bytes. */
#define MAX_SECTIONS 4096u

enum { DEVICE, TRANSPORT, ATTRIBUTES, KNOWN_SECTIONS };

static const char *const section_names[KNOWN_SECTIONS] = { "device", "transport", "attributes" };

struct reader {
	const uint8_t *next;
	size_t left;
	bool ended;
};

struct section_name {
	const uint8_t *text;
	size_t length;
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

static bool same_name(const struct section_name *name, const void *text, size_t length)
{
	return name->length == length && memcmp(name->text, text, length) == 0;
}

static bool read_name(struct reader *reader, struct section_name *name)
{
	name->length = number(reader, 1);
	name->text = reader->next;
	if (!name->length || name->length > MAX_NAME || name->length > reader->left)
		return false;
	for (size_t at = 0; at < name->length; at++) {
		uint8_t c = name->text[at];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-'))
			return false;
	}
	reader->next += name->length;
	reader->left -= name->length;
	return true;
}

/* Sets found to the contents of the sections that are known; a section that is not there has no next. */
static enum state_verdict find_sections(struct reader *reader, uint64_t count, struct reader found[KNOWN_SECTIONS])
{
	static struct section_name seen[MAX_SECTIONS];
	enum state_verdict verdict = STATE_FITS;

	for (uint64_t index = 0; index < count; index++) {
		struct section_name *name = &seen[index];
		unsigned int known = 0;
		uint64_t needed;
		uint64_t length;

		if (index == MAX_SECTIONS || !read_name(reader, name))
			return STATE_SECTIONS;
		for (uint64_t other = 0; other < index; other++) {
			if (same_name(name, seen[other].text, seen[other].length))
				return STATE_SECTIONS;
		}
		needed = number(reader, 1);
		length = number(reader, 4);
		if (reader->ended || needed > 1 || length > reader->left)
			return STATE_SECTIONS;
		while (known < KNOWN_SECTIONS && !same_name(name, section_names[known], strlen(section_names[known])))
			known++;
		if (known < KNOWN_SECTIONS)
			found[known] = (struct reader){ reader->next, length, false };
		else if (needed)
			verdict = STATE_LACKING;
		reader->next += length;
		reader->left -= length;
	}
	if (reader->left || !found[DEVICE].next || !found[TRANSPORT].next)
		return STATE_SECTIONS;
	return verdict;
}

static uint8_t *put(uint8_t *to, uint64_t value, size_t bytes)
{
	memcpy(to, &value, bytes);
	return to + bytes;
}

static uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t length)
{
	memcpy(to, bytes, length);
	return to + length;
}

static uint8_t *put_section(uint8_t *to, unsigned int known, size_t length)
{
	to = put(to, strlen(section_names[known]), 1);
	to = put_bytes(to, section_names[known], strlen(section_names[known]));
	to = put(to, 1, 1);
	return put(to, length, 4);
}

/* The fields of device and transport as they were read, the extents as the device must have joined them. */
static size_t write_canonical(uint8_t *to, const struct reader *device, const struct reader *transport, const struct run *runs,
			      size_t count)
{
	uint8_t *at = put_bytes(to, "MMCTLSAV", 8);

	at = put(at, 1, 4);
	at = put(at, 0, 4);
	at = put(at, count ? 3 : 2, 4);
	at = put_section(at, DEVICE, device->left);
	at = put_bytes(at, device->next, device->left);
	at = put_section(at, TRANSPORT, transport->left);
	at = put_bytes(at, transport->next, transport->left);
	if (count) {
		at = put_section(at, ATTRIBUTES, 4 + 28 * count);
		at = put(at, count, 4);
	}
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

/* What is to be said of all extents together. */
struct extents {
	struct run runs[1024]; /* joined */
	size_t kept;
	size_t splits;
	uint64_t locked;
	bool merging;
	bool foreign;
	enum state_verdict ranges;
};

static enum state_verdict read_extents(struct reader *reader, const struct state_limits *limits, bool pvmemcontrol,
				       struct extents *extents)
{
	static const struct run untouched;
	uint64_t count = number(reader, 4);
	uint64_t last_end = 0;

	if (reader->ended || count > reader->left / 28)
		return STATE_ENDS_EARLY;
	for (uint64_t index = 0; index < count; index++) {
		struct run *last = extents->kept ? &extents->runs[extents->kept - 1] : NULL;
		struct run run;
		bool adjoins;

		if (!read_run(reader, &run))
			return STATE_BAD_VALUE;
		if (extents->ranges == STATE_FITS)
			extents->ranges = judge_run(&run, last_end, limits);
		last_end = run.end;
		if (extents->ranges != STATE_FITS || same_attributes(&run, &untouched))
			continue;
		extents->merging |= run.merging != 0;
		extents->foreign |= run.merging == 1 && !pvmemcontrol;
		extents->locked += run.locked ? run.end - run.start : 0;
		adjoins = last && last->end == run.start;
		if (adjoins && same_attributes(last, &run)) {
			last->end = run.end;
			continue;
		}
		extents->splits += adjoins ? 1 : 2;
		/* A state is too short for more than 1024 of them. */
		extents->runs[extents->kept++] = run;
	}
	return STATE_FITS;
}

enum state_verdict state_judge(const uint8_t *state, size_t length, const struct state_limits *limits, bool pvmemcontrol,
			       uint8_t *canonical, size_t *canonical_length)
{
	static struct extents extents;
	const char *dialect = pvmemcontrol ? "pvmemcontrol" : "memctl";
	struct reader reader = { state, length > CHECKSUM ? length - CHECKSUM : 0, false };
	struct reader found[KNOWN_SECTIONS] = { 0 };
	struct reader device;
	struct reader transport;
	enum state_verdict verdict;
	uint64_t buffers[4] = { 0 };
	uint64_t channels;
	uint64_t connection;
	const uint8_t *written;
	uint64_t name;
	uint32_t stored;

	if (length < HEADER + CHECKSUM || memcmp(state, "MMCTLSAV", 8) != 0 || number(&reader, 8) == 0 || number(&reader, 2) != 1)
		return STATE_NO_STATE;
	number(&reader, 2); /* any minor version */
	memcpy(&stored, state + length - CHECKSUM, sizeof(stored));
	if (number(&reader, 4) != length || stored != crc32c(state, length - CHECKSUM))
		return STATE_CHECKSUM;
	verdict = find_sections(&reader, number(&reader, 4), found);
	if (verdict != STATE_FITS)
		return verdict;

	device = found[DEVICE];
	name = number(&device, 1);
	written = device.next;
	if (name > device.left)
		return STATE_ENDS_EARLY;
	device.next += name;
	device.left -= name;
	if (number(&device, 8) != PAGE || name != strlen(dialect) || memcmp(written, dialect, name) != 0)
		return STATE_OTHER_DEVICE;

	transport = found[TRANSPORT];
	connection = number(&transport, 1);
	number(&transport, 8);
	channels = number(&transport, 4);
	if (transport.ended || channels > transport.left / 8)
		return STATE_ENDS_EARLY;
	for (uint64_t channel = 0; channel < channels; channel++) {
		uint64_t buffer = number(&transport, 8);

		if (channel < 4)
			buffers[channel] = buffer;
	}

	memset(&extents, 0, sizeof(extents));
	if (found[ATTRIBUTES].next)
		verdict = read_extents(&found[ATTRIBUTES], limits, pvmemcontrol, &extents);
	if (verdict != STATE_FITS)
		return verdict;
	if (connection > 2 || extents.foreign)
		return STATE_BAD_VALUE;
	if (channels > limits->channels || (connection == 0 && channels))
		return STATE_CHANNELS;
	if (extents.ranges != STATE_FITS)
		return extents.ranges;
	if (extents.splits > limits->splits || extents.locked > limits->locked)
		return STATE_BUDGET;
	for (uint64_t channel = 0; channel < channels; channel++) {
		if (buffers[channel] > UINT64_MAX - 32 || closed_at(extents.runs, extents.kept, buffers[channel]))
			return STATE_BUFFER;
	}
	/* What follows the known fields of a section is not saved again. */
	found[DEVICE].left -= device.left;
	found[TRANSPORT].left -= transport.left;
	*canonical_length = write_canonical(canonical, &found[DEVICE], &found[TRANSPORT], extents.runs, extents.kept);
	return extents.merging ? STATE_FITS_IF_MERGED : STATE_FITS;
}
