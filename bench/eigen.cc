// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
// The rival of coded.c; see eigen.h. Its weights rotate through no copies, which is to its advantage.
#include "eigen.h"

#include <Eigen/Sparse>

struct eigen_product {
	Eigen::SparseMatrix<float, Eigen::RowMajor> w;
	Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> x, y;
	Eigen::VectorXf x1, y1;
	int m;
};

struct eigen_product *eigen_new(int n, int k, const uint64_t *starts, const uint32_t *columns, const void *values,
				const float *x, int m)
{
	eigen_product *product = new eigen_product;
	const float *from = static_cast<const float *>(values);

	product->m = m;
	product->w.resize(n, k);
	product->w.reserve(static_cast<Eigen::Index>(starts[n]));
	for (int i = 0; i < n; i++) {
		product->w.startVec(i);
		for (uint64_t p = starts[i]; p < starts[i + 1]; p++)
			product->w.insertBack(i, static_cast<int>(columns[p])) = from[p];
	}
	product->w.finalize();
	product->x = Eigen::Map<const Eigen::MatrixXf>(x, k, m);
	product->y.resize(n, m);
	product->x1 = product->x.col(0);
	product->y1.resize(n);
	return product;
}

void eigen_run(struct eigen_product *product)
{
	if (product->m == 1)
		product->y1.noalias() = product->w * product->x1;
	else
		product->y.noalias() = product->w * product->x;
}

void eigen_free(struct eigen_product *product)
{
	delete product;
}
