/*
 * Files and folders for tests.  A failure of these is a failure of the machine, not of what is
 * tested: they print what went wrong and abort, so that callers need no checks. Threading: pure
 * functions of the file system.  What returns char * gives memory that the caller frees.
 */
#ifndef TEST_FILES_H
#define TEST_FILES_H

#include <stddef.h>
#include <stdint.h>

/* A new empty folder in $AVJ_SCRATCH, else in $TMPDIR, else in /tmp. */
char *test_dir_new(void);
/* Removes the folder and everything in it, and frees `path`. */
void test_dir_free(char *path);
void test_remove_tree(const char *path);
/* Copies a folder of files and folders; `to` must not exist. */
void test_copy_tree(const char *from, const char *to);

/* "FOLDER/NAME", as printf makes the name. */
char *test_path(const char *folder, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The whole file; *len its size.  One NUL more than that is allocated. */
uint8_t *test_read_file(const char *path, size_t *len);
void test_write_file(const char *path, const void *data, size_t len);
void test_append_file(const char *path, const void *data, size_t len);
void test_truncate_file(const char *path, uint64_t len);
/* Inverts the bits of `mask` in the byte at `offset`. */
void test_flip(const char *path, uint64_t offset, uint8_t mask);
uint64_t test_file_size(const char *path);
int test_exists(const char *path);

/* How many names "*SUFFIX" the folder holds, and the path of the last of them in byte order (NULL:
 * none). */
size_t test_count_names(const char *folder, const char *suffix);
char *test_last_name(const char *folder, const char *suffix);

#endif
