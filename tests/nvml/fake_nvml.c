/* A library with the binary interface of NVML, in one state chosen when it is compiled:
 * HEALTHY, NO_GPU, MISMATCH, NOT_LOADED, HUNG, OLD, STUB, CRASH, LOST_GPU, LEAVES.
 * Names, types and error numbers are those of NVIDIA's nvml.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int nvmlReturn_t;
typedef struct device *nvmlDevice_t;
typedef struct { unsigned long long total, free, used; } nvmlMemory_t;

enum { SUCCESS = 0, NOT_FOUND = 6, DRIVER_NOT_LOADED = 9, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15, MISMATCHED = 18, UNKNOWN = 999 };

#if defined(OLD)
#define DRIVER "384.81"
#define GPUS 1
#elif defined(NO_GPU)
#define DRIVER "535.104.05"
#define GPUS 0
#else
#define DRIVER "535.104.05"
#define GPUS 2
#endif

#define BANNER                                                                                                         \
    "\n!!!!!!!!!!!!!!!!!!!!\nWARNING:\n\nYou should always run with libnvidia-ml.so that is installed with your\n"      \
    "NVIDIA Display Driver. libnvidia-ml.so in GDK package is a stub library that is attached only for\n"              \
    "build purposes.\n!!!!!!!!!!!!!!!!!!!!\n"

static nvmlReturn_t start(void)
{
#if defined(MISMATCH)
    return MISMATCHED;
#elif defined(NOT_LOADED)
    return DRIVER_NOT_LOADED;
#elif defined(HUNG)
    for (;;) pause();
#elif defined(CRASH)
    raise(SIGSEGV);
    return UNKNOWN;
#elif defined(LEAVES)
    puts("good bye");
    exit(0);
#elif defined(STUB)
    fputs(BANNER, stdout);
    return DRIVER_NOT_LOADED;
#else
    return SUCCESS;
#endif
}

nvmlReturn_t nvmlInit_v2(void) { return start(); }
nvmlReturn_t nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(nvmlReturn_t result)
{
#if defined(STUB)
    (void)result;
    return BANNER;
#else
    switch (result) {
    case SUCCESS: return "The operation was successful";
    case NOT_FOUND: return "Not Found";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case FUNCTION_NOT_FOUND: return "Function Not Found";
    case GPU_IS_LOST: return "GPU is lost";
    case MISMATCHED: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
#endif
}

static nvmlReturn_t text(char *to, unsigned int length, const char *from)
{
    snprintf(to, length, "%s", from);
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) { return text(version, length, DRIVER); }
nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length) { return text(version, length, "12." DRIVER); }

static nvmlReturn_t count(unsigned int *number)
{
    *number = GPUS;
    return SUCCESS;
}

static nvmlReturn_t handle(unsigned int index, nvmlDevice_t *device)
{
    if (index >= GPUS) return NOT_FOUND;
#if defined(LOST_GPU)
    if (index == 1) return GPU_IS_LOST;
#endif
    *device = (nvmlDevice_t)(size_t)(index + 1);
    return SUCCESS;
}

#if defined(OLD)
/* Drivers of that age have neither the flags nor the second versions. */
nvmlReturn_t nvmlDeviceGetCount(unsigned int *number) { return count(number); }
nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device) { return handle(index, device); }
#else
nvmlReturn_t nvmlInitWithFlags(unsigned int flags) { (void)flags; return start(); }
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *number) { return count(number); }
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) { return handle(index, device); }
nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version) { *version = 12020; return SUCCESS; }
nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 12020; return SUCCESS; }
#endif

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    return text(name, length, device == (nvmlDevice_t)1 ? "NVIDIA A100-SXM4-40GB" : "NVIDIA GeForce RTX 3090");
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    *major = 8;
    *minor = device == (nvmlDevice_t)1 ? 0 : 6;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    (void)device;
    memory->total = 42949672960ULL;
    memory->free = memory->total;
    memory->used = 0;
    return SUCCESS;
}
