/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * k-means in one dimension over bins; see means.h. The bins are in order of value, so that who is nearest to a mean is
 * a run of them, found by bisection, and its mean a difference of two sums: a step costs no more than the means are
 * many.
 */
#include "codec/means.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BINS  65536u
#define WORDS (BINS / 64)
/* Steps of Lloyd's at most; from where it begins, few are needed. */
#define STEPS 200

struct bin {
	uint64_t count;
	uint64_t low; /* sum of the lower 16 bits */
};

struct means {
	struct bin bins[BINS]; /* by order of value */
	uint64_t used[WORDS]; /* bits of bins with a value */
	size_t count; /* of those that follow */
	double value[BINS];
	double weight[BINS + 1]; /* values in all before */
	double sum[BINS + 1]; /* of these */
	uint32_t means;
	double mean[PINPOOL_CODED_VALUES_MAX];
	float middle[PINPOOL_CODED_VALUES_MAX]; /* between a mean and the next, infinite behind the last */
};

struct means *means_new(void)
{
	return calloc(1, sizeof(struct means));
}

void means_free(struct means *means)
{
	free(means);
}

void means_clear(struct means *means)
{
	for (size_t i = 0; i < WORDS; i++) {
		for (uint64_t word = means->used[i]; word; word &= word - 1)
			means->bins[i * 64 + (size_t)__builtin_ctzll(word)] = (struct bin){0};
		means->used[i] = 0;
	}
}

/* Upper half of bits so that their order is that of values, and back. */
static uint32_t order(uint32_t bits)
{
	return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >> 16;
}

static float value_of(uint32_t bin, uint32_t low)
{
	uint32_t bits = bin << 16;
	float value;

	bits = bits & 0x80000000 ? bits & 0x7fffffff : ~bits & 0xffff0000;
	bits |= low;
	memcpy(&value, &bits, sizeof(value));
	return value;
}

void means_add(struct means *means, const uint32_t *bits, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint32_t bin = order(bits[i]);

		means->bins[bin].count++;
		means->bins[bin].low += bits[i] & 0xffff;
		means->used[bin / 64] |= 1ULL << bin % 64;
	}
}

void means_merge(struct means *means, const struct means *other)
{
	for (size_t i = 0; i < BINS; i++) {
		means->bins[i].count += other->bins[i].count;
		means->bins[i].low += other->bins[i].low;
	}
	for (size_t i = 0; i < WORDS; i++)
		means->used[i] |= other->used[i];
}

/* Values and sums of the bins that are used. False if one is not finite. */
static bool list_bins(struct means *means)
{
	means->count = 0;
	for (size_t i = 0; i < WORDS; i++) {
		for (uint64_t word = means->used[i]; word; word &= word - 1) {
			uint32_t at = (uint32_t)(i * 64) + (uint32_t)__builtin_ctzll(word);
			const struct bin *bin = &means->bins[at];
			double value = value_of(at, (uint32_t)(bin->low / bin->count));
			size_t n = means->count++;

			if (!isfinite(value))
				return false;
			means->value[n] = value;
			means->weight[n + 1] = means->weight[n] + (double)bin->count;
			means->sum[n + 1] = means->sum[n] + value * (double)bin->count;
		}
	}
	return true;
}

/* First bin from @low on whose value is above @limit. */
static size_t bin_above(const struct means *means, double limit, size_t low)
{
	size_t high = means->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (means->value[middle] > limit)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Half of what is between the neighbours of a bin. */
static double width(const struct means *means, size_t bin)
{
	size_t first = bin ? bin - 1 : 0, last = bin + 1 < means->count ? bin + 1 : bin;

	return (means->value[last] - means->value[first]) / 2;
}

/* The best places are as dense as the cube root of what there is (Panter and Dite): equal parts of that. */
static void begin(struct means *means, uint32_t values)
{
	double total = 0, sum = 0;
	uint32_t next = 0;

	for (size_t i = 0; i < means->count; i++)
		total += cbrt((means->weight[i + 1] - means->weight[i]) * width(means, i) * width(means, i));
	for (size_t i = 0; i < means->count; i++) {
		sum += cbrt((means->weight[i + 1] - means->weight[i]) * width(means, i) * width(means, i));
		while (next < values && sum * values >= total * (next + 0.5))
			means->mean[next++] = means->value[i];
	}
	while (next < values)
		means->mean[next++] = means->value[means->count - 1];
}

/* Each mean becomes that of the bins it is nearest to. Returns whether one moved. */
static bool step(struct means *means, uint32_t values)
{
	size_t first = 0;
	bool moved = false;

	for (uint32_t i = 0; i < values; i++) {
		size_t end = means->count;
		double mean;

		if (i + 1 < values)
			end = bin_above(means, (means->mean[i] + means->mean[i + 1]) / 2, first);
		/* One that has none stays: others may leave it some. */
		if (end == first)
			continue;
		mean = (means->sum[end] - means->sum[first]) / (means->weight[end] - means->weight[first]);
		moved |= mean != means->mean[i];
		means->mean[i] = mean;
		first = end;
	}
	return moved;
}

bool means_make(struct means *means, uint32_t values, float *out)
{
	if (!list_bins(means))
		return false;
	means->means = values;
	if (means->count <= values) {
		means->means = (uint32_t)means->count;
		memcpy(means->mean, means->value, means->count * sizeof(*means->mean));
	} else {
		begin(means, values);
		for (int i = 0; i < STEPS && step(means, values); i++)
			;
	}
	for (uint32_t i = 0; i < PINPOOL_CODED_VALUES_MAX; i++)
		means->middle[i] = INFINITY;
	for (uint32_t i = 0; i < means->means; i++) {
		out[i] = (float)means->mean[i];
		if (i + 1 < means->means)
			means->middle[i] = (float)((means->mean[i] + means->mean[i + 1]) / 2);
	}
	return true;
}

unsigned char means_nearest(const struct means *means, uint32_t bits)
{
	const float *middle = means->middle;
	uint32_t at = 0;
	float value;

	memcpy(&value, &bits, sizeof(value));
	/* How many middles are below: at most as many as there are means, less one. */
	for (uint32_t by = means->means > 16 ? PINPOOL_CODED_VALUES_MAX / 2 : 8; by; by /= 2)
		at += value > middle[at + by - 1] ? by : 0;
	return (unsigned char)at;
}
