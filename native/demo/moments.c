// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "moments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* After these the map has changed in a way of its own; the first and the last step are taken too. */
static const char *const telling[] = {
	"DONTNEED", "UNMERGEABLE", "DONTDUMP", "MLOCK", "MPROTECT_NONE", "MPROTECT_R", "SET_VMA_ANON_NAME",
};

static const char *folder;
static char directory[64], api_socket[100];
static unsigned int taken;

const char *moments_begin(enum backing backing)
{
	folder = backing == BACKING_PRIVATE ? getenv("MEMCTL_MOMENTS") : NULL;
	taken = 0;
	if (!folder)
		return NULL;
	/* The file's name is the VM's in the picture. */
	snprintf(directory, sizeof(directory), "/tmp/memctl-demo-XXXXXX");
	if (!mkdtemp(directory)) {
		perror(directory);
		return folder = NULL;
	}
	snprintf(api_socket, sizeof(api_socket), "%s/demo-guest.sock", directory);
	return api_socket;
}

static void take(const char *when, const struct step *step)
{
	const char *out = getenv("MEMCTL_OUT");
	char command[2048];

	snprintf(command, sizeof(command), "'%s/memctl-top' '%s' --json --interval 0 > '%s/%02u-%s-%s.json'",
		 out ? out : "out", api_socket, folder, taken++, when, step->label);
	if (system(command))
		printf("demo: no snapshot %s %s\n", when, step->label);
}

static bool is_bulk(const struct step *step)
{
	return strstr(step->label, "-64-MiB");
}

void moment_before(const struct step *step)
{
	if (folder && (!taken || is_bulk(step)))
		take("before", step);
}

void moment_after(const struct step *step)
{
	bool tells = is_bulk(step);

	for (unsigned int index = 0; index < sizeof(telling) / sizeof(telling[0]); index++)
		tells |= !strcmp(step->label, telling[index]);
	if (folder && tells)
		take("after", step);
}
