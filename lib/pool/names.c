/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Pool names: which are valid, and lists of them; see names.h. */
#include "pool/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pinpool_name_check(const char *name)
{
	size_t len = 0;

	if (!name)
		return -EINVAL;
	for (; name[len]; len++) {
		char c = name[len];

		if (len == PINPOOL_NAME_MAX)
			return -EINVAL;
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
		    c != '_' && c != '-')
			return -EINVAL;
	}
	if (!len || name[0] == '.' || name[0] == '-' || !strcmp(name, "control"))
		return -EINVAL;
	return 0;
}

int names_add(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		void *at = realloc(names->at, room * sizeof(*names->at));

		if (!at)
			return -ENOMEM;
		names->at = at;
		names->room = room;
	}
	memcpy(names->at[names->count++], name, strlen(name) + 1);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

int names_export(struct names *names, char ***out)
{
	size_t pointers = (names->count + 1) * sizeof(char *);
	char **array = malloc(pointers + names->count * sizeof(*names->at));
	char *text;

	if (!array)
		return -ENOMEM;
	if (names->count)
		qsort(names->at, names->count, sizeof(*names->at), compare);
	text = (char *)array + pointers;
	for (size_t i = 0; i < names->count; i++, text += sizeof(*names->at)) {
		memcpy(text, names->at[i], sizeof(*names->at));
		array[i] = text;
	}
	array[names->count] = NULL;
	*out = array;
	return 0;
}

void names_free(struct names *names)
{
	free(names->at);
}
