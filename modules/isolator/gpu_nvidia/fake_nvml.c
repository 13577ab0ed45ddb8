/* fake_nvml.c - for tests of isolator/gpu_nvidia: a libnvidia-ml.so.1 of a machine with as
 * many GPUs as $MEZZO_FAKE_GPUS says (without: 4), whose files have the numbers 0, 1, …. With
 * "broken" there is no driver.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC __attribute__((visibility("default")))

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **d);
int nvmlDeviceGetMinorNumber(void *d, unsigned *minor);
int nvmlDeviceGetUUID(void *d, char *out, unsigned size);
const char *nvmlErrorString(int code);

enum { UNINITIALIZED = 1, INVALID_ARGUMENT = 2, DRIVER_NOT_LOADED = 9 };

static const char *said(void)
{
	const char *s = getenv("MEZZO_FAKE_GPUS");
	return s ? s : "4";
}

static int n_inits;

PUBLIC int nvmlInit_v2(void)
{
	if (!strcmp(said(), "broken"))
		return DRIVER_NOT_LOADED;
	n_inits++;
	return 0;
}

PUBLIC int nvmlShutdown(void)
{
	return n_inits-- > 0 ? 0 : UNINITIALIZED;
}

PUBLIC int nvmlDeviceGetCount_v2(unsigned *n)
{
	if (n_inits != 1)
		return UNINITIALIZED;
	*n = (unsigned)atoi(said());
	return 0;
}

PUBLIC int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **d)
{
	if (index >= (unsigned)atoi(said()))
		return INVALID_ARGUMENT;
	*d = (char *)NULL + index + 1;
	return 0;
}

PUBLIC int nvmlDeviceGetMinorNumber(void *d, unsigned *minor)
{
	*minor = (unsigned)((char *)d - (char *)NULL) - 1;
	return 0;
}

PUBLIC int nvmlDeviceGetUUID(void *d, char *out, unsigned size)
{
	unsigned minor;
	if (nvmlDeviceGetMinorNumber(d, &minor) || size < 12)
		return INVALID_ARGUMENT;
	(void)snprintf(out, size, "GPU-fake-%u", minor);
	return 0;
}

PUBLIC const char *nvmlErrorString(int code)
{
	return code == DRIVER_NOT_LOADED ? "Driver Not Loaded" : "Unknown Error";
}
