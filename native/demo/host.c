// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "reference.h"

#define KSM_RUN "/sys/kernel/mm/ksm/run"

/* The file's first line; "" where there is no such file. */
static const char *read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");

	line[0] = 0;
	if (file && fgets(line, size, file))
		line[strcspn(line, "\n")] = 0;
	if (file)
		fclose(file);
	return line;
}

static uint64_t swap_mib(void)
{
	struct sysinfo info;

	return sysinfo(&info) ? 0 : (uint64_t)info.totalswap * info.mem_unit >> 20;
}

bool host_has_swap(void)
{
	return swap_mib() > 0;
}

bool host_has_ksm(void)
{
	return !access(KSM_RUN, F_OK);
}

static const char *ksm_text(void)
{
	char line[16];

	if (!host_has_ksm())
		return "absent";
	return strcmp(read_line(KSM_RUN, line, sizeof(line)), "1") ? "off" : "on";
}

/* "always [madvise] never": the word in brackets. */
static void read_transparent(char *word, int size)
{
	char line[64];
	const char *start = strchr(read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line)), '[');

	snprintf(word, (size_t)size, "%.*s", start ? (int)strcspn(start + 1, "]") : 6, start ? start + 1 : "absent");
}

void host_show(void)
{
	struct utsname system;
	char transparent[16], overcommit[16];

	uname(&system);
	read_transparent(transparent, sizeof(transparent));
	printf("Host: Linux %s; swap %" PRIu64 " MiB; KSM %s; transparent huge pages %s; overcommit %s; names for memory %s\n",
	       system.release, swap_mib(), ksm_text(), transparent,
	       read_line("/proc/sys/vm/overcommit_memory", overcommit, sizeof(overcommit)),
	       reference_name_errno(BACKING_PRIVATE) ? "no" : "yes");
}
