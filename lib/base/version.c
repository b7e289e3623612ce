/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The version the build was given; the Makefile has the only copy of the number. */
#include <pinpool/common.h>

const char *pinpool_version(void)
{
	return PINPOOL_VERSION;
}
