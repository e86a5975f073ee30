// SPDX-License-Identifier: GPL-2.0
#include "test.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

enum backing backing;
uint64_t ram_end, host_unit;
int host_name_error;
bool host_has_swap;

static FILE *from_host;

/* No echo: the guest's terminal would send the host's answers back to it. */
static void open_console(void)
{
	struct termios mode;
	int fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &mode))
		tap_bail_out("no console to the host");
	mode.c_lflag &= ~ECHO;
	if (tcsetattr(fd, TCSANOW, &mode))
		tap_bail_out("no console mode without echo");
	from_host = fdopen(fd, "r");
}

const char *ask_host(const char *format, ...)
{
	static char line[512];
	va_list arguments;

	fputs("@host ", stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
	do {
		if (!fgets(line, sizeof(line), from_host))
			tap_bail_out("the host's end of the console is closed");
	} while (line[0] != '@');
	line[strcspn(line, "\r\n")] = '\0';
	return line + 1;
}

unsigned long host_counter(const char *name)
{
	unsigned long value;

	if (sscanf(ask_host("counter memctl %s", name), "%lu", &value) != 1)
		tap_bail_out("the VMM does not tell %s", name);
	return value;
}

struct usage host_usage(void)
{
	struct usage usage;

	if (sscanf(ask_host("usage"), "resident=%ld allocated=%ld",
		   &usage.resident, &usage.allocated) != 2)
		tap_bail_out("the host does not tell its memory use");
	return usage;
}

bool host_exits(struct exits *exits)
{
	return sscanf(ask_host("exits"), "mmio=%lu all=%lu interrupts=%lu", &exits->mmio,
		      &exits->all, &exits->interrupts) == 3;
}

/* Gaps in RAM that are smaller are the firmware's, in one mapping of the host. */
#define HOLE (256UL << 20)

/* The end of the RAM around gpa; start gets its beginning. */
static uint64_t end_of_ram(uint64_t gpa, uint64_t *start)
{
	uint64_t first, last, end = 0;
	char line[128];
	FILE *iomem = fopen("/proc/iomem", "r");

	*start = 0;
	while (iomem && fgets(line, sizeof(line), iomem)) {
		if (line[0] == ' ' || !strstr(line, "System RAM") ||
		    sscanf(line, "%lx-%lx", &first, &last) != 2)
			continue;
		if (first - end >= HOLE) {
			if (gpa < end)
				break;
			*start = first;
		}
		end = last + 1;
	}
	if (iomem)
		fclose(iomem);
	return end;
}

static enum backing parse_backing(const char *name)
{
	static const char *const names[BACKINGS] = {
		"private", "shared", "hugetlb-private", "hugetlb-shared",
	};
	int i;

	for (i = 0; i < BACKINGS; i++)
		if (!strcmp(name, names[i]))
			return i;
	tap_bail_out("the host names an unknown backing: %s", name);
}

void meet_host(void)
{
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	char hex[65] = "";
	uint64_t start;
	int names[3] = { -1, -1, -1 }, i, swap = 0;

	open_console();
	if (page == MAP_FAILED || getrandom(page, 32, 0) != 32)
		tap_bail_out("no page for a signature");
	for (i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", page[i]);
	ram_end = end_of_ram(guest_physical(page), &start);
	if (strcmp(ask_host("locate %lx %lx %lx %s", guest_physical(page), start, ram_end, hex), "1"))
		tap_bail_out("the host does not find this guest's memory in the VMM");
	backing = parse_backing(ask_host("backing"));
	host_unit = backing >= HUGETLB_PRIVATE ? HUGE_PAGE : PAGE;
	if (sscanf(ask_host("features"),
		   "name_private=%d name_shared=%d name_hugetlb=%d swap=%d",
		   &names[0], &names[1], &names[2], &swap) != 4)
		tap_bail_out("the host does not know its features");
	host_name_error = names[backing >= HUGETLB_PRIVATE ? 2 : backing];
	host_has_swap = swap;
	munmap(page, PAGE);
}
