/* Which libavchat this is. */
#include "replay/avchat.h"

const char *avj_version(void)
{
    return AVJ_VERSION;
}
