// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * How fast serd alone reads N-Triples from memory, on one thread, doing nothing with them: what a build that reads by
 * it cannot beat for each thread. The median of ROUNDS, triples a second, on stdout.
 *
 * usage: kg FILE [ROUNDS]
 */
#include "timing.h"

#include <fcntl.h>
#include <serd/serd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ROUNDS	   5
#define MAX_ROUNDS 101
#define PAGE	   65536

struct text {
	const char *at;
	const char *end;
};

static unsigned long long triples;

static SerdStatus count(void *arg, SerdStatementFlags flags, const SerdNode *graph, const SerdNode *subject,
			const SerdNode *predicate, const SerdNode *object, const SerdNode *datatype,
			const SerdNode *language)
{
	(void)arg, (void)flags, (void)graph, (void)subject, (void)predicate, (void)object, (void)datatype,
		(void)language;
	triples++;
	return SERD_SUCCESS;
}

static size_t read_text(void *to, size_t size, size_t room, void *arg)
{
	struct text *text = arg;
	size_t bytes = (size_t)(text->end - text->at);

	(void)size;
	if (bytes > room)
		bytes = room;
	memcpy(to, text->at, bytes);
	text->at += bytes;
	return bytes;
}

static int no_error(void *arg)
{
	(void)arg;
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS, fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	double rates[MAX_ROUNDS];
	struct stat st;
	char *base;

	if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS) {
		fprintf(stderr, "usage: kg FILE [ROUNDS]\n");
		return 2;
	}
	if (fd < 0 || fstat(fd, &st)) {
		perror(argv[1]);
		return 1;
	}
	base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (base == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	for (int i = 0; i < rounds; i++) {
		SerdReader *reader = serd_reader_new(SERD_NTRIPLES, NULL, NULL, NULL, NULL, count, NULL);
		struct text text = {.at = base, .end = base + st.st_size};
		double start = now();

		triples = 0;
		serd_reader_set_strict(reader, true);
		if (serd_reader_read_source(reader, read_text, no_error, &text, NULL, PAGE) > SERD_FAILURE ||
		    !triples) {
			fprintf(stderr, "kg: %s: no N-Triples\n", argv[1]);
			return 1;
		}
		rates[i] = (double)triples / (now() - start);
		serd_reader_free(reader);
	}
	qsort(rates, (size_t)rounds, sizeof(*rates), compare);
	printf("%.0f\n", rates[rounds / 2]);
	return 0;
}
