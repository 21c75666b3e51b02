/* Files and folders for tests: see files.h. */
#include "tests/support/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(int good, const char *what, const char *path)
{
    if (good)
        return;
    fprintf(stderr, "test support: %s %s: %s\n", what, path, strerror(errno));
    abort();
}

char *test_path(const char *folder, const char *format, ...)
{
    char name[512], *path;
    va_list list;
    size_t len;

    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    len = strlen(folder) + strlen(name) + 2;
    path = malloc(len);
    must(path != NULL, "allocate", name);
    snprintf(path, len, "%s/%s", folder, name);
    return path;
}

char *test_dir_new(void)
{
    const char *base = getenv("AVJ_SCRATCH");
    char *path;

    if (!base)
        base = getenv("TMPDIR");
    path = test_path(base ? base : "/tmp", "t-XXXXXX");
    must(mkdtemp(path) != NULL, "make folder", path);
    return path;
}

static void for_each_name(const char *folder, void (*each)(void *arg, const char *name), void *arg)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    must(dir != NULL, "list", folder);
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(arg, entry->d_name);
    closedir(dir);
}

static void remove_one(void *folder, const char *name)
{
    char *path = test_path(folder, "%s", name);

    test_remove_tree(path);
    free(path);
}

void test_remove_tree(const char *path)
{
    struct stat info;

    must(lstat(path, &info) == 0, "stat", path);
    if (S_ISDIR(info.st_mode)) {
        for_each_name(path, remove_one, (void *)path);
        must(rmdir(path) == 0, "remove", path);
    } else {
        must(unlink(path) == 0, "remove", path);
    }
}

void test_dir_free(char *path)
{
    if (!path)
        return;
    test_remove_tree(path);
    free(path);
}

struct copy {
    const char *from, *to;
};

static void copy_one(void *arg, const char *name)
{
    const struct copy *copy = arg;
    char *from = test_path(copy->from, "%s", name), *to = test_path(copy->to, "%s", name);
    struct stat info;

    must(lstat(from, &info) == 0, "stat", from);
    if (S_ISDIR(info.st_mode)) {
        test_copy_tree(from, to);
    } else {
        size_t len;
        uint8_t *data = test_read_file(from, &len);
        test_write_file(to, data, len);
        free(data);
    }
    free(from);
    free(to);
}

void test_copy_tree(const char *from, const char *to)
{
    struct copy copy = {from, to};

    must(mkdir(to, 0700) == 0, "make folder", to);
    for_each_name(from, copy_one, &copy);
}

uint8_t *test_read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *data;

    must(file != NULL, "open", path);
    *len = (size_t)test_file_size(path);
    data = malloc(*len + 1);
    must(data != NULL, "allocate", path);
    must(fread(data, 1, *len, file) == *len, "read", path);
    data[*len] = 0;
    fclose(file);
    return data;
}

static void put_file(const char *path, const char *mode, const void *data, size_t len)
{
    FILE *file = fopen(path, mode);

    must(file != NULL, "open", path);
    must(len == 0 || fwrite(data, 1, len, file) == len, "write", path);
    must(fclose(file) == 0, "write", path);
}

void test_write_file(const char *path, const void *data, size_t len)
{
    put_file(path, "wbe", data, len);
}

void test_append_file(const char *path, const void *data, size_t len)
{
    put_file(path, "abe", data, len);
}

void test_truncate_file(const char *path, uint64_t len)
{
    must(truncate(path, (off_t)len) == 0, "truncate", path);
}

void test_flip(const char *path, uint64_t offset, uint8_t mask)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    must(file >= 0, "open", path);
    must(pread(file, &byte, 1, (off_t)offset) == 1, "read", path);
    byte ^= mask;
    must(pwrite(file, &byte, 1, (off_t)offset) == 1, "write", path);
    close(file);
}

uint64_t test_file_size(const char *path)
{
    struct stat info;

    must(stat(path, &info) == 0, "stat", path);
    return (uint64_t)info.st_size;
}

int test_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

struct names {
    const char *suffix;
    size_t count;
    char last[256];
};

static void look_at_name(void *arg, const char *name)
{
    struct names *names = arg;
    size_t len = strlen(name), suffix = strlen(names->suffix);

    if (len < suffix || strcmp(name + len - suffix, names->suffix) != 0)
        return;
    if (names->count++ == 0 || strcmp(name, names->last) > 0)
        snprintf(names->last, sizeof names->last, "%s", name);
}

size_t test_count_names(const char *folder, const char *suffix)
{
    struct names names = {.suffix = suffix};

    for_each_name(folder, look_at_name, &names);
    return names.count;
}

char *test_last_name(const char *folder, const char *suffix)
{
    struct names names = {.suffix = suffix};

    for_each_name(folder, look_at_name, &names);
    return names.count > 0 ? test_path(folder, "%s", names.last) : NULL;
}
