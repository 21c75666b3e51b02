/* Fuzz targets without a fuzzer: runs the files, and those in the folders, that are named on the
 * command line.  A failure aborts; the last file named is the one. */
#include "tests/fuzz/fuzz.h"

#include "tests/support/files.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static unsigned ran;

static void run_file(const char *path)
{
    size_t len;
    uint8_t *data = test_read_file(path, &len);
    uint8_t *exact = malloc(len ? len : 1); /* so that a read behind the end is seen */

    if (!exact)
        abort();
    memcpy(exact, data, len);
    free(data);
    printf("%s: %zu bytes\n", path, len);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    ran++;
}

static void run_folder(const char *path)
{
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);

    for (int i = 0; i < count; i++) {
        char *file = test_path(path, "%s", names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_file(file);
        free(file);
        free(names[i]);
    }
    if (count >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("%u inputs, no failure\n", ran);
    return ran ? 0 : 1;
}
