/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Everything libpinpool offers. */
#ifndef PINPOOL_PINPOOL_H
#define PINPOOL_PINPOOL_H

#include <pinpool/block.h>
#include <pinpool/catalog.h>
#include <pinpool/coded.h>
#include <pinpool/common.h>
#include <pinpool/compress.h>
#include <pinpool/dtype.h>
#include <pinpool/kg.h>
#include <pinpool/kg_build.h>
#include <pinpool/kg_query.h>
#include <pinpool/load.h>
#include <pinpool/math.h>
#include <pinpool/metadata.h>
#include <pinpool/pack.h>
#include <pinpool/packing.h>
#include <pinpool/pool.h>
#include <pinpool/save.h>
#include <pinpool/window.h>

#endif
