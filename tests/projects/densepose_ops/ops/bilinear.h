#ifndef DENSEPOSE_OPS_BILINEAR_H_
#define DENSEPOSE_OPS_BILINEAR_H_

#ifdef __CUDACC__
#define OPS_HOST_DEVICE __host__ __device__
#else
#define OPS_HOST_DEVICE
#endif

namespace caffe2 {

// The four elements around a point of a map, as offsets into its H x W plane, and what each contributes.
struct BilinearCorners {
  int offset[4];
  float weight[4];
  bool inside;
};

// One axis: the lower and the upper element around a coordinate, and the share of the upper one.
OPS_HOST_DEVICE inline void SplitAxis(float at, int size, int* low, int* high, float* share) {
  at = at < 0.f ? 0.f : at;
  *low = static_cast<int>(at);
  if (*low >= size - 1) {
    *low = size - 1;
    *high = size - 1;
    *share = 0.f;
  } else {
    *high = *low + 1;
    *share = at - *low;
  }
}

OPS_HOST_DEVICE inline BilinearCorners CornersAround(float x, float y, int height, int width) {
  BilinearCorners corners = {{0, 0, 0, 0}, {0.f, 0.f, 0.f, 0.f}, false};
  // Written so that a coordinate that is no number lies outside.
  if (!(x >= -1.f && x <= width && y >= -1.f && y <= height)) {
    return corners;
  }
  int left, right, top, bottom;
  float to_right, to_bottom;
  SplitAxis(x, width, &left, &right, &to_right);
  SplitAxis(y, height, &top, &bottom, &to_bottom);
  corners.inside = true;
  corners.offset[0] = top * width + left;
  corners.offset[1] = top * width + right;
  corners.offset[2] = bottom * width + left;
  corners.offset[3] = bottom * width + right;
  corners.weight[0] = (1.f - to_bottom) * (1.f - to_right);
  corners.weight[1] = (1.f - to_bottom) * to_right;
  corners.weight[2] = to_bottom * (1.f - to_right);
  corners.weight[3] = to_bottom * to_right;
  return corners;
}

} // namespace caffe2

#endif // DENSEPOSE_OPS_BILINEAR_H_
