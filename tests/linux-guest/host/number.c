// SPDX-License-Identifier: GPL-2.0
#include "number.h"

#include <stdio.h>

bool read_number(const char *folder, const char *name, unsigned long *number)
{
	char path[128];
	bool read;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	read = file && fscanf(file, "%lu", number) == 1;
	if (file)
		fclose(file);
	return read;
}
