/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * How a block begins: its form, in EF_FORM_BITS bits. Up to EF_LOW_MAX it is the number of low bits; then come those of
 * all numbers but the first, then the high part: for each number as many zeros as its high bits are above those of the
 * one before, and a one. In a bitmap, bit i is a one if the first number plus i + 1 is in the block.
 */
#ifndef PINPOOL_CODEC_ELIAS_FANO_FORM_H
#define PINPOOL_CODEC_ELIAS_FANO_FORM_H

#define EF_FORM_BITS 7
#define EF_LOW_MAX   62
#define EF_RUN	     64
#define EF_BITMAP    65

#endif
