/* nvml.c - see nvml.h. Its header is not needed: these few functions have been the same
 * since driver 319.
 * SPDX-License-Identifier: Apache-2.0 */
#define MZ_MODULE_ABI 1
#include "nvml.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/cgroup.h"

typedef struct nvml_device *device;

/* Each returns 0 or a number that error_string has words for. */
struct nvml {
	void *handle;
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned *n);
	int (*by_index)(unsigned index, device *d);
	int (*minor)(device d, unsigned *minor);
	int (*uuid)(device d, char *out, unsigned size);
	const char *(*error_string)(int code);
};

/* The first of two names that the library has. */
static int find(struct nvml *n, void *to, const char *name, const char *older, struct mz_err *err)
{
	void *at = dlsym(n->handle, name);
	if (!at && older)
		at = dlsym(n->handle, older);
	if (!at)
		return cg_fail(err, -ENODEV, "The library for GPUs has no function '%s'", name);
	memcpy(to, &at, sizeof(at));
	return 0;
}

static int nvml_open(struct nvml *n, const char *library, struct mz_err *err)
{
	n->handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!n->handle)
		return cg_fail(err, -ENODEV, "Cannot load the library for GPUs: %s", dlerror());
	int rc = find(n, &n->init, "nvmlInit_v2", "nvmlInit", err);
	if (rc == 0)
		rc = find(n, &n->shutdown, "nvmlShutdown", NULL, err);
	if (rc == 0)
		rc = find(n, &n->count, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount", err);
	if (rc == 0)
		rc = find(n, &n->by_index, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex", err);
	if (rc == 0)
		rc = find(n, &n->minor, "nvmlDeviceGetMinorNumber", NULL, err);
	if (rc == 0)
		rc = find(n, &n->uuid, "nvmlDeviceGetUUID", NULL, err);
	if (rc == 0)
		rc = find(n, &n->error_string, "nvmlErrorString", NULL, err);
	return rc;
}

static int failed(const struct nvml *n, int code, const char *what, struct mz_err *err)
{
	return cg_fail(err, -ENODEV, "NVML cannot %s: %s", what, n->error_string(code));
}

static int read_all(const struct nvml *n, struct gpu v[GPUS_MAX], size_t *ret_n, struct mz_err *err)
{
	unsigned count = 0;
	int code = n->count(&count);
	if (code)
		return failed(n, code, "count the GPUs", err);
	if (count > GPUS_MAX)
		return cg_fail(err, -E2BIG, "There are %u GPUs; %d can be handled", count, GPUS_MAX);
	for (unsigned i = 0; i < count; i++) {
		device d = NULL;
		unsigned minor = 0;
		struct gpu *g = &v[i];
		*g = (struct gpu){.index = i};
		code = n->by_index(i, &d);
		if (!code)
			code = n->minor(d, &minor);
		if (!code)
			code = n->uuid(d, g->uuid, sizeof(g->uuid));
		if (code)
			return failed(n, code, "tell of a GPU", err);
		g->node = minor;
		g->uuid[sizeof(g->uuid) - 1] = '\0';
	}
	*ret_n = count;
	return 0;
}

int nvml_read(const char *library, struct gpu v[GPUS_MAX], size_t *ret_n, struct mz_err *err)
{
	struct nvml n = {0};
	int rc = nvml_open(&n, library, err);
	if (rc == 0) {
		int code = n.init();
		rc = code ? failed(&n, code, "start", err) : read_all(&n, v, ret_n, err);
		if (!code)
			(void)n.shutdown();
	}
	if (n.handle)
		(void)dlclose(n.handle);
	return rc;
}
