/* nvml.h - NVIDIA's management library as isolator/gpu_nvidia needs it: which GPUs there
 * are. It is loaded when the agent starts, and not linked: most machines have none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef MZ_GPU_NVIDIA_NVML_H
#define MZ_GPU_NVIDIA_NVML_H

#include <mezzo/types.h>

enum { GPUS_MAX = 64, GPU_UUID_SIZE = 96 };

struct gpu {
	uint32_t index;	      /* as NVML counts */
	uint32_t node;	      /* /dev/nvidiaNODE */
	uint32_t major, minor; /* of that file; not NVML's */
	char uuid[GPU_UUID_SIZE];
};

/* The GPUs that `library` (a path or a name) tells of, without major and minor. -ENODEV: it
 * cannot be loaded, or has no driver to talk to. */
int nvml_read(const char *library, struct gpu v[GPUS_MAX], size_t *ret_n, struct mz_err *err);

#endif
