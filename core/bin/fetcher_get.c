/* fetcher_get.c - one URI into one file of the sandbox: local files are copied,
 * everything else is libcurl's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "bin/fetcher.h"

enum { MAX_REDIRECTS = 20, CHUNK = 65536 };

struct get {
	struct fetch_box *box;
	int fd;
	struct mz_err err; /* why writing has failed */
};

static int copy(struct fetch_box *b, const char *path, int out, struct mz_err *err)
{
	static char chunk[CHUNK];
	struct stat st;
	ssize_t n;
	mz_autoclose int in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return mz_fail(err, -errno, "Cannot open it: %s", strerror(errno));
	if (fstat(in, &st) < 0 || !S_ISREG(st.st_mode))
		return mz_fail(err, -EINVAL, "It is not a regular file");
	while ((n = read(in, chunk, sizeof(chunk))) > 0) {
		int rc = fetch_count(b, (uint64_t)n, err);
		if (rc == 0)
			rc = fetch_write(out, chunk, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return mz_fail(err, -errno, "Cannot read it: %s", strerror(errno));
	return fchmod(out, st.st_mode & 0755) < 0 ? mz_fail(err, -errno, "Cannot set its mode: %s", strerror(errno)) : 0;
}

static size_t on_data(char *data, size_t size, size_t n, void *arg)
{
	struct get *g = arg;
	size *= n;
	if (size && (fetch_count(g->box, size, &g->err) < 0 || fetch_write(g->fd, data, size, &g->err) < 0))
		return 0; /* less than it was: libcurl stops */
	return size;
}

/* Whom HTTPS and FTPS trust: libcurl itself goes by what it was built with alone. */
static void set_trust(CURL *c)
{
	const char *file = getenv("SSL_CERT_FILE"), *dir = getenv("SSL_CERT_DIR");
	if (!file || !*file)
		file = getenv("CURL_CA_BUNDLE");
	if (file && *file)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir && *dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static void set_options(CURL *c, struct get *g, const char *url, char *why)
{
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,ftp,ftps");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "mezzo-fetcher");
	set_trust(c);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, g);
	if (g->box->stall_secs > 0) {
		curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)g->box->stall_secs);
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)g->box->stall_secs);
	}
}

static int download(struct get *g, const char *url, struct mz_err *err)
{
	char why[CURL_ERROR_SIZE] = "";
	long status = 0;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return mz_fail(err, -ENOMEM, "libcurl does not start");
	CURL *c = curl_easy_init();
	if (!c)
		return mz_fail(err, -ENOMEM, "libcurl does not start");
	set_options(c, g, url, why);
	CURLcode code = curl_easy_perform(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	if (code == CURLE_OK)
		return 0;
	if (g->err.code) {
		*err = g->err;
		return err->code;
	}
	if (code == CURLE_HTTP_RETURNED_ERROR)
		return mz_fail(err, -EREMOTEIO, "The server answers with status %ld", status);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return mz_fail(err, -ETIMEDOUT, "Nothing came for %lld seconds", (long long)g->box->stall_secs);
	return mz_fail(err, -EIO, "%s", *why ? why : curl_easy_strerror(code));
}

/* The path of a local file, or NULL. */
static const char *local_path(const char *uri)
{
	if (!strncasecmp(uri, "file://localhost/", 17))
		return uri + 16;
	if (!strncasecmp(uri, "file:///", 8))
		return uri + 7;
	return uri[0] == '/' ? uri : NULL;
}

static bool is_remote(const char *uri)
{
	static const char *const schemes[] = {"http://", "https://", "ftp://", "ftps://"};
	for (size_t i = 0; i < MZ_N(schemes); i++)
		if (!strncasecmp(uri, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}

int fetch_get(struct fetch_box *b, const struct fetch_uri *u, const char *name, struct mz_err *err)
{
	const char *path = local_path(u->value);
	if (!path && !is_remote(u->value))
		return mz_fail(err, -EOPNOTSUPP,
			       strstr(u->value, "://") && strncasecmp(u->value, "file://", 7)
				       ? "Its scheme is none of http, https, ftp, ftps and file"
				       : "It is no absolute path, and the agent has no 'frameworks_home' that it could be in");
	mz_autoclose int fd = -1;
	int rc = fetch_create(b, name, &fd, err);
	if (rc == 0)
		rc = fetch_count(b, 0, err);
	if (rc < 0)
		return rc;
	if (path) {
		rc = copy(b, path, fd, err);
	} else {
		struct get g = {.box = b, .fd = fd};
		rc = fchmod(fd, 0644) < 0 ? mz_fail(err, -errno, "Cannot set its mode") : download(&g, u->value, err);
	}
	if (rc == 0 && u->executable && fchmod(fd, 0755) < 0)
		rc = mz_fail(err, -errno, "Cannot make it executable: %s", strerror(errno));
	return rc;
}
