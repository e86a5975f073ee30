namespace Memctl.Plugin.Abi;

/// <summary>
/// Every export, assigned to the function pointer that the ABI gives it: one that is missing, or of another type, does not
/// compile. Nothing calls this, so none of it is in the library.
/// </summary>
internal static unsafe class ExportTypes
{
    internal static memctl_functions All() => new()
    {
        abi_version = &LibraryExports.AbiVersion,
        attach_thread = &LibraryExports.AttachThread,
        last_error = &LibraryExports.GetLastError,
        pci_identity = &LibraryExports.GetPciIdentity,
        check_options = &LibraryExports.CheckOptions,
        device_create = &DeviceExports.Create,
        device_destroy = &DeviceExports.Destroy,
        device_reset = &DeviceExports.Reset,
        register_memory = &MemoryExports.Register,
        unregister_memory = &MemoryExports.Unregister,
        plug_memory = &MemoryExports.Plug,
        unplug_memory = &MemoryExports.Unplug,
        mmio_read = &MmioExports.MmioRead,
        mmio_write = &MmioExports.MmioWrite,
        set_dirty_logging = &SwitchExports.SetDirtyLogging,
        inhibit_discard = &SwitchExports.InhibitDiscard,
        keep_readable = &SwitchExports.KeepReadable,
        keep_accessible = &SwitchExports.KeepAccessible,
        resolve_fault = &MemoryExports.ResolveFault,
        device_save = &DeviceExports.Save,
        device_restore = &DeviceExports.Restore,
        device_statistics = &MonitoringExports.Statistics,
        device_attributes = &MonitoringExports.Attributes,
        device_report = &MonitoringExports.Report,
    };
}
