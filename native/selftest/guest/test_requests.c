// SPDX-License-Identifier: Apache-2.0
#include "tests.h"

#include "boot_info.h"
#include "console.h"
#include "machine.h"
#include "tap.h"

/* Codes that name nothing; some have a known code in their low half. INFO takes no list. */
static const uint64_t unknown_codes[] = {
	14, 15, 0x80, 0xffff, 1ull << 32, 1ull << 32 | MEMCTL_DONTNEED, 1ull << 63 | MEMCTL_INFO, 1ull << 63 | 14, ~0ull,
};

#define UNKNOWN_CODES (sizeof(unknown_codes) / sizeof(unknown_codes[0]))

#define FIRST_ADDRESS_ABOVE (1ull << 32)

struct bad_range {
	const char *what;
	uint64_t addr;
	uint64_t length;
};

/* Every code but INFO must refuse the range, and the bytes of [touched, touched + length) must stay. */
static void check_range_refused(const struct channel *channel, const struct bad_range *range, uint64_t touched,
				uint64_t length)
{
	uint64_t refused = 0;

	fill(touched, length);
	for (uint64_t code = MEMCTL_DONTNEED; code < MEMCTL_FUNC_CODES; code++) {
		struct memctl_vmm_ret answer = request(channel, code, range->addr, range->length, 7);

		if (is_refusal(&answer, ERRNO_INVAL, code))
			refused++;
		else
			print("# %s answers errno %u, code %u\n", func_name(code), (uint64_t)answer.ret_errno,
			      (uint64_t)answer.ret_code);
	}
	tap_check(refused == MEMCTL_FUNC_CODES - 1, "all codes refuse %s with EINVAL", range->what);
	tap_check(is_filled(touched, length), "bytes stay: %s", range->what);
}

static void test_bad_ranges(const struct channel *channel)
{
	uint64_t unit = options.unit;
	uint64_t start = take_memory(4 * unit, unit);
	uint64_t last = ram_end_below_4g - unit;
	const struct bad_range inside[] = {
		{ "100 bytes", start, 100 },
		{ "one byte less than a page", start, PAGE_SIZE - 1 },
		{ "a page and a byte", start, PAGE_SIZE + 1 },
		{ "an address 8 bytes off", start + 8, unit },
		{ "an address one byte off", start + 1, unit },
		{ "address and length off", start + 16, unit - 16 },
		{ "length 0 at an unaligned address", start + 8, 0 },
		{ "a range that wraps to its own start", start, 0 - unit },
		{ "a range that ends at 2^64", start, 0 - start },
		{ "a range that covers all addresses", 0, 0 - PAGE_SIZE },
	};
	const struct bad_range at_end[] = {
		{ "a range that starts in RAM and ends behind it", last, 2 * unit },
		{ "a range that reaches into the device's BAR", last, ((memctl_bar - last) & ~(PAGE_SIZE - 1)) + PAGE_SIZE },
		{ "a range behind RAM", ram_end_below_4g, unit },
		{ "the device's own BAR", memctl_bar & ~(PAGE_SIZE - 1), PAGE_SIZE },
		{ "the top page of the address space", 0 - PAGE_SIZE, PAGE_SIZE },
		{ "a range across 2^64", 0 - PAGE_SIZE, 2 * PAGE_SIZE },
		{ "an address with only the top bit", 1ull << 63, PAGE_SIZE },
	};

	for (unsigned int i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
		check_range_refused(channel, &inside[i], start, 4 * unit);
	for (unsigned int i = 0; i < sizeof(at_end) / sizeof(at_end[0]); i++)
		check_range_refused(channel, &at_end[i], last, unit);
}

/* RAM on both sides of the hole below 4 GiB, where there is so much. */
static void test_across_hole(const struct channel *channel)
{
	uint64_t last = ram_end_below_4g - PAGE_SIZE;
	const struct bad_range across = { "a range from RAM below the hole to RAM above it", last,
					  FIRST_ADDRESS_ABOVE + PAGE_SIZE - last };
	struct memctl_vmm_ret answer;

	if (ram_end <= FIRST_ADDRESS_ABOVE)
		return;
	fill(FIRST_ADDRESS_ABOVE, 2 * PAGE_SIZE);
	check_range_refused(channel, &across, last, PAGE_SIZE);
	tap_check(is_filled(FIRST_ADDRESS_ABOVE, 2 * PAGE_SIZE), "bytes above the hole stay, too");
	answer = request(channel, MEMCTL_DONTNEED, FIRST_ADDRESS_ABOVE, PAGE_SIZE, 0);
	tap_check(is_success(&answer) && (options.shared ? is_filled(FIRST_ADDRESS_ABOVE, PAGE_SIZE) :
							   is_zero(FIRST_ADDRESS_ABOVE, PAGE_SIZE)),
		  "DONTNEED of the first page at 4 GiB");
	tap_check(is_filled(FIRST_ADDRESS_ABOVE + PAGE_SIZE, PAGE_SIZE), "the page behind it stays");
}

static void test_zero_length(const struct channel *channel)
{
	uint64_t start = take_memory(options.unit, options.unit);
	uint64_t succeeded = 0;

	fill(start, options.unit);
	for (uint64_t code = MEMCTL_DONTNEED; code < MEMCTL_FUNC_CODES; code++) {
		struct memctl_vmm_ret answer = request(channel, code, start, 0, 0);

		if (is_success(&answer))
			succeeded++;
		else
			print("# %s answers errno %u\n", func_name(code), (uint64_t)answer.ret_errno);
	}
	tap_check(succeeded == MEMCTL_FUNC_CODES - 1, "all codes take length 0");
	fill(start, options.unit);
	tap_check(is_filled(start, options.unit), "bytes stay and can be written after length 0");
}

static void test_unknown_codes(const struct channel *channel)
{
	uint64_t start = take_memory(options.unit, options.unit);

	fill(start, options.unit);
	for (unsigned int i = 0; i < UNKNOWN_CODES; i++) {
		struct memctl_vmm_ret answer;

		if (options.pvmemcontrol && unknown_codes[i] < PVMEMCONTROL_FUNC_CODES)
			continue;
		answer = raw_request(channel, unknown_codes[i], start, options.unit, 0);
		tap_check(is_refusal(&answer, ERRNO_OPNOTSUPP, unknown_codes[i]), "code 0x%x answers EOPNOTSUPP", unknown_codes[i]);
	}
	tap_check(is_filled(start, options.unit), "unknown codes touch nothing");
}

static void test_info(const struct channel *channel)
{
	struct memctl_vmm_ret answer = request(channel, MEMCTL_INFO, 0, 0, 0);

	tap_check(is_info(&answer), "INFO: version 1.0, page size 4096");
	answer = request(channel, MEMCTL_INFO, ~0ull, 12345, ~0ull);
	tap_check(is_info(&answer), "INFO ignores addr, length and arg");
	tap_check(mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ACK, "a request does not change what command reads");
}

/* Sends a request that must go unheard: the buffer stays as it was. */
static bool is_unheard(const struct channel *channel)
{
	struct memctl_vmm_ret left = request(channel, 0x0123456789abcdefull, 2, 3, 4);

	return left.ret_errno == 0x89abcdefu && left.ret_code == 0x01234567u && left.ret_value == 2 && left.arg0 == 3 &&
	       left.arg1 == 4;
}

static void test_ignored_channels(void)
{
	uint64_t buffer = take_memory(PAGE_SIZE, PAGE_SIZE);
	struct channel channel, unknown;
	struct memctl_vmm_ret answer;

	transport(MEMCTL_TRANSPORT_RESET);
	register_buffer(buffer, &channel);
	tap_check(is_unheard(&channel), "a request before READY is ignored");
	tap_check(transport(MEMCTL_TRANSPORT_READY) == MEMCTL_TRANSPORT_ACK, "READY after an ignored request");
	for (uint32_t distance = 1; distance < 1u << 30; distance <<= 3) {
		unknown = (struct channel){ buffer, (channel.command + distance) | MEMCTL_CHANNEL_BIT };
		tap_check(is_unheard(&unknown), "channel 0x%x, never given out, is ignored", (uint64_t)unknown.command);
	}
	tap_check(mmio_read32(memctl_bar + MEMCTL_COMMAND) == MEMCTL_TRANSPORT_ACK, "command reads ACK after unknown channels");
	answer = request(&channel, MEMCTL_INFO, 0, 0, 0);
	tap_check(is_info(&answer), "the channel answers after unknown ones");
	transport(MEMCTL_TRANSPORT_DISCONNECT);
	tap_check(is_unheard(&channel), "a request after DISCONNECT is ignored");
	transport(MEMCTL_TRANSPORT_RESET);
	tap_check(is_unheard(&channel), "a request after RESET is ignored");
	transport(MEMCTL_TRANSPORT_READY);
	tap_check(is_unheard(&channel), "RESET forgets channels: READY does not bring them back");
}

void test_requests(void)
{
	struct channel channel;

	if (!tap_check(connect_all(&channel, 1), "connect one channel"))
		return;
	test_info(&channel);
	test_unknown_codes(&channel);
	test_zero_length(&channel);
	test_bad_ranges(&channel);
	test_across_hole(&channel);
	test_ignored_channels();
}

static void connect_at(uint64_t buffer, struct channel *channel)
{
	transport(MEMCTL_TRANSPORT_RESET);
	register_buffer(buffer, channel);
	transport(MEMCTL_TRANSPORT_READY);
}

/* A request that acts on the page of its own buffer must be answered, and the next one too. */
static void test_own_page(uint64_t code)
{
	uint64_t page = take_memory(options.unit, options.unit);
	struct channel channel;
	struct memctl_vmm_ret answer, next;

	connect_at(page + 64, &channel);
	/* An unanswered buffer still has the code there, which reads as errno and ret_code 0; addr reads as ret_value. */
	answer = request(&channel, code, page, options.unit, 0);
	next = request(&channel, MEMCTL_INFO, 0, 0, 0);
	tap_check(!answer.ret_value && is_info(&next), "%s over its own buffer is answered (errno %u), and so is the next request",
		  func_name(code), (uint64_t)answer.ret_errno);
}

void test_buffers(void)
{
	static const uint64_t offsets[] = { 8, 24, PAGE_SIZE - 32, PAGE_SIZE - 24, PAGE_SIZE - 16, PAGE_SIZE - 8 };
	uint64_t pages = take_memory(2 * PAGE_SIZE, PAGE_SIZE);
	struct channel channel;

	for (unsigned int i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct memctl_vmm_ret info, refusal;

		fill_words(pages, 2 * PAGE_SIZE);
		connect_at(pages + offsets[i], &channel);
		info = request(&channel, MEMCTL_INFO, 0, 0, 0);
		refusal = request(&channel, ~0ull, ~0ull, ~0ull, ~0ull);
		tap_check(is_info(&info) && is_refusal(&refusal, ERRNO_OPNOTSUPP, ~0ull) &&
				  are_words_filled(pages, offsets[i]) &&
				  are_words_filled(pages + offsets[i] + MEMCTL_BUFFER_SIZE,
						   2 * PAGE_SIZE - offsets[i] - MEMCTL_BUFFER_SIZE),
			  "a buffer %u bytes into a page is answered, bytes around it stay", offsets[i]);
	}
	transport(MEMCTL_TRANSPORT_RESET);
	mmio_write64(memctl_bar, pages);
	tap_check(transport(MEMCTL_TRANSPORT_REGISTER) == MEMCTL_TRANSPORT_ACK &&
			  (mmio_read32(memctl_bar) & MEMCTL_CHANNEL_BIT),
		  "REGISTER takes an address stored in one access of 8 bytes");
	for (uint64_t code = MEMCTL_DONTNEED; code < MEMCTL_FUNC_CODES; code++)
		test_own_page(code);
}
