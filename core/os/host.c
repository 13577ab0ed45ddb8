/* host.c - discovery of the machine's resources and identity; see host.h.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "os/host.h"

static const int64_t GB = 1LL << 30, MB = 1LL << 20;

/* Keeps `reserve` back, or half where that would take most of it. */
static int64_t usable(int64_t total, int64_t reserve)
{
	return total > 2 * reserve ? total - reserve : total / 2;
}

void host_resources(const char *work_dir, struct host_resources *ret)
{
	*ret = (struct host_resources){.n_cpus = 1, .mem_mb = 1024, .disk_mb = 10 * 1024};
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	if (n > 0)
		ret->n_cpus = n;
	struct sysinfo si;
	if (sysinfo(&si) == 0) {
		ret->mem_total_bytes = (int64_t)si.totalram * si.mem_unit;
		ret->mem_free_bytes = (int64_t)si.freeram * si.mem_unit;
		ret->mem_mb = usable(ret->mem_total_bytes, GB) / MB;
	}
	struct statvfs vfs;
	if (work_dir && statvfs(work_dir, &vfs) == 0)
		ret->disk_mb = usable((int64_t)vfs.f_blocks * (int64_t)vfs.f_frsize, 5 * GB) / MB;
	if (getloadavg(ret->load, 3) < 3)
		memset(ret->load, 0, sizeof(ret->load));
}

/* Is there an item "name:" or "name(role):" in the text? */
static bool names(const char *text, const char *name)
{
	size_t len = strlen(name);
	for (const char *p = text; p; p = strchr(p, ';')) {
		p += *p == ';';
		p += strspn(p, " \t");
		if (strncmp(p, name, len))
			continue;
		const char *q = p + len + strspn(p + len, " \t");
		if (*q == ':' || *q == '(')
			return true;
	}
	return false;
}

static void add_item(struct buf *b, const char *given, const char *name, const char *value)
{
	if (given && names(given, name))
		return;
	buf_addf(b, "%s%s:%s", b->len ? ";" : "", name, value);
}

static void add_found(struct buf *b, const char *given, const char *found)
{
	for (const char *p = found; p && *p; p += strspn(p, ";")) {
		size_t n = strcspn(p, ";"), name = strcspn(p, ":;");
		if (name < n) {
			mz_autofree char *item = xstrndup(p, n);
			item[name] = '\0';
			add_item(b, given, item, item + name + 1);
		}
		p += n;
	}
}

char *host_resources_text(const char *given, const char *found, const char *work_dir)
{
	const char *start = given ? given + strspn(given, " \t\n") : "";
	if (*start == '[' || *start == '{')
		return xstrdup(given);
	struct host_resources r;
	host_resources(work_dir, &r);
	struct buf b = {0};
	char number[32];
	if (!str_empty(start)) {
		buf_adds(&b, start);
		while (b.len && (b.data[b.len - 1] == ';' || b.data[b.len - 1] == ' '))
			b.data[--b.len] = '\0';
	}
	snprintf(number, sizeof(number), "%lld", (long long)r.n_cpus);
	add_item(&b, given, "cpus", number);
	snprintf(number, sizeof(number), "%lld", (long long)r.mem_mb);
	add_item(&b, given, "mem", number);
	snprintf(number, sizeof(number), "%lld", (long long)r.disk_mb);
	add_item(&b, given, "disk", number);
	add_item(&b, given, "ports", "[31000-32000]");
	add_found(&b, given, found);
	return buf_take(&b);
}

int host_boot_id(char **ret, struct mz_err *err)
{
	static const char file[] = "/proc/sys/kernel/random/boot_id";
	char text[64];
	mz_autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return mz_fail(err, n < 0 ? -errno : -EIO, "Cannot read '%s': %s", file,
			       n < 0 ? strerror(errno) : "it is empty");
	text[n] = '\0';
	*ret = xstrdup(str_trim(text));
	return 0;
}

char *host_name(void)
{
	char name[256];
	if (gethostname(name, sizeof(name)) < 0 || !name[0])
		return xstrdup("localhost");
	name[sizeof(name) - 1] = '\0';
	return xstrdup(name);
}

double host_disk_usage(const char *path)
{
	struct statvfs vfs;
	if (statvfs(path, &vfs) < 0 || !vfs.f_blocks)
		return 0;
	return 1.0 - (double)vfs.f_bavail / (double)vfs.f_blocks;
}
