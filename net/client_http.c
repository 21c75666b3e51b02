/* Requests and answers as data: see client_http.h. */
#include "net/client_http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Secrets travel in headers and bodies: do not leave them in freed memory. */
static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void avj_http_request_release(struct avj_http_request *request)
{
    free(request->url);
    wipe(request->headers);
    wipe(request->body);
    *request = (struct avj_http_request){0};
}

void avj_http_answer_release(struct avj_http_answer *answer)
{
    wipe(answer->headers);
    free(answer->body);
    *answer = (struct avj_http_answer){0};
}

static const char *match(const char *line, const char *end, const char *name, size_t *len)
{
    size_t n = strlen(name);
    if ((size_t)(end - line) <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return NULL;
    line += n + 1;
    while (line < end && (*line == ' ' || *line == '\t'))
        line++;
    while (end > line && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *len = (size_t)(end - line);
    return line;
}

const char *avj_http_header(const struct avj_http_answer *answer, const char *name, size_t n,
                            size_t *len)
{
    for (const char *line = answer->headers; line && *line;) {
        const char *end = strchr(line, '\n');
        if (!end)
            end = line + strlen(line);
        const char *value = match(line, end, name, len);
        if (value && n-- == 0)
            return value;
        line = *end ? end + 1 : end;
    }
    return NULL;
}
