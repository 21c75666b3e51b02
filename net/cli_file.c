/* Files outside the journal: reading whole ones, making the folders above one. */
#include "net/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cli_read_all(int file, size_t max, char **out, size_t *len)
{
    size_t cap = 65536, used = 0;
    char *data = malloc(cap);
    int error = data ? 0 : ENOMEM;

    while (!error) {
        if (used + 1 >= cap) {
            char *grown = realloc(data, cap * 2);
            if (!grown) {
                error = ENOMEM;
                break;
            }
            data = grown;
            cap *= 2;
        }
        ssize_t n = read(file, data + used, cap - used - 1);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            error = errno;
        if (n > 0)
            used += (size_t)n;
        if (used > max)
            error = EFBIG;
    }
    if (error) {
        free(data);
        return error;
    }
    data[used] = 0;
    *out = data;
    *len = used;
    return 0;
}

int cli_make_parents(const char *path)
{
    char *copy = strdup(path);
    int error = copy ? 0 : ENOMEM;

    for (char *slash = copy; !error && (slash = strchr(slash + 1, '/'));) {
        if (slash[1] == 0 || slash[1] == '/')
            continue;
        *slash = 0;
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            error = errno;
        *slash = '/';
    }
    free(copy);
    return error;
}
