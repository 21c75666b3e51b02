/* See client_session.h. */
#include "net/client_session.h"
#include "journal/io.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SESSION_FILE_MAX = 64 * 1024 };

static char *join(const char *dir, const char *name)
{
    size_t size = strlen(dir) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", dir, name);
    return path;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void avj_session_release(struct avj_session *session)
{
    free(session->endpoint);
    free(session->project);
    free(session->user);
    free(session->email);
    wipe(session->secret);
    *session = (struct avj_session){0};
}

/* ---- reading ---- */

static char *copy_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? strdup(text) : NULL;
}

static enum avj_status parse(const char *text, size_t len, struct avj_session *out,
                             struct avj_error *err)
{
    json_t *json = json_loadb(text, len, 0, NULL);
    *out = (struct avj_session){.endpoint = copy_of(json, "endpoint"),
                                .project = copy_of(json, "project"),
                                .user = copy_of(json, "userId"),
                                .email = copy_of(json, "email"),
                                .secret = copy_of(json, "secret")};
    json_decref(json);
    if (out->endpoint && out->project && out->user && out->email && out->secret &&
        !strpbrk(out->secret, "\r\n"))
        return AVJ_OK;
    avj_session_release(out);
    return avj_fail(err, AVJ_EFORMAT, "session.json can not be read: log in again");
}

enum avj_status avj_session_load(const char *dir, struct avj_session *out, struct avj_error *err)
{
    char *path = join(dir, "session.json"), *text = malloc(SESSION_FILE_MAX);
    enum avj_status status = AVJ_OK;
    *out = (struct avj_session){0};
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t len = file >= 0 && text ? read(file, text, SESSION_FILE_MAX) : -1;
    int errnum = errno;
    if (!path || !text)
        status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    else if (file < 0 && errnum == ENOENT)
        status = avj_fail(err, AVJ_ENOTFOUND, "not signed in: log in first");
    else if (len < 0)
        status = avj_fail_errno(err, errnum, "read %s", path);
    else
        status = parse(text, (size_t)len, out, err);
    if (file >= 0)
        close(file);
    if (text)
        explicit_bzero(text, SESSION_FILE_MAX);
    free(text);
    free(path);
    return status;
}

/* ---- writing ---- */

static int write_all(int file, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(file, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_file(const char *path, const char *text)
{
    (void)unlink(
        path); /* left by a crash: never write a secret into a file that others may have open */
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return -1;
    int rc = write_all(file, text, strlen(text));
    if (!rc)
        rc = fsync(file);
    int errnum = errno;
    if (close(file) && !rc)
        return -1;
    errno = errnum;
    return rc;
}

static char *render(const struct avj_session *session)
{
    json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s}", "endpoint", session->endpoint, "project",
                             session->project, "userId", session->user, "email", session->email,
                             "secret", session->secret);
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    return text;
}

enum avj_status avj_session_save(const char *dir, const struct avj_session *session,
                                 struct avj_error *err)
{
    const struct avj_io *io = avj_io_posix();
    char *path = join(dir, "session.json"), *temp = join(dir, "session.json.tmp");
    char *text = render(session);
    enum avj_status status = AVJ_OK;
    if (!path || !temp || !text) {
        status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    } else if (write_file(temp, text) || rename(temp, path)) {
        status = avj_fail_errno(err, errno, "write %s", path);
    } else {
        int rc = io->sync_dir(io->ctx, dir);
        if (rc < 0)
            status = avj_fail_errno(err, -rc, "write %s", path);
    }
    if (status && temp)
        (void)unlink(temp);
    wipe(text);
    free(temp);
    free(path);
    return status;
}

enum avj_status avj_session_remove(const char *dir, struct avj_error *err)
{
    char *path = join(dir, "session.json");
    enum avj_status status = AVJ_OK;
    if (!path)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    if (unlink(path) && errno != ENOENT)
        status = avj_fail_errno(err, errno, "remove %s", path);
    free(path);
    return status;
}
