// Finds the browser plugins of native clients.

var InstalledClient = { OC: 0, Samara: 1, AOC: 2 };

// Version_Name is for ActiveX, Version_CLSID the media type of all other plugins.
var PluginConfigOC = {
    IE: { Version_Name: "CommunicatorMeetingJoinAx.JoinManager" },
    FF: { Version_CLSID: "application/vnd.microsoft.communicator.ocsmeeting" }
};
var PluginConfigSamara = {
    IE: { Version_Name: "AttendantConsoleMeetingJoinAx.JoinManager" },
    FF: { Version_CLSID: "application/vnd.microsoft.attendantconsole.ocsmeeting" }
};
var PluginConfigAOC = {
    IE: { Version_Name: "CommunicatorAttendeeMeetingJoinAx.JoinManager" },
    FF: { Version_CLSID: "application/vnd.microsoft.communicatorattendee.ocsmeeting" }
};

function GetBrowserTag() {
    return isIE() ? "IE" : "FF";
}

function GetConfigForClient(client, tag) {
    switch (client) {
    case InstalledClient.OC:
        return PluginConfigOC[tag];
    case InstalledClient.Samara:
        return PluginConfigSamara[tag];
    case InstalledClient.AOC:
        return PluginConfigAOC[tag];
    default:
        return null;
    }
}

// One plugin. `object` is null until it is loaded, and stays so where it is not installed.
function PluginLoader() {
    this.object = null;
    this.element = null;
}

PluginLoader.prototype.LoadPlugin = function (config) {
    if (config.Version_Name) {
        try {
            this.object = new ActiveXObject(config.Version_Name);
        } catch (notInstalled) {
            this.object = null;
        }
    } else if (this.IsPluginAvailable(config.Version_CLSID)) {
        this.element = document.createElement("embed");
        this.element.setAttribute("type", config.Version_CLSID);
        this.element.setAttribute("aria-hidden", "true");
        this.element.className = "plugin";
        document.body.appendChild(this.element);
        this.object = this.element;
    }
    return this.object;
};

// Asking first keeps browsers from offering to install what is missing.
PluginLoader.prototype.IsPluginAvailable = function (type) {
    var known = navigator.mimeTypes && navigator.mimeTypes[type];
    return Boolean(known && known.enabledPlugin);
};

PluginLoader.prototype.UnloadPlugin = function () {
    if (this.element) {
        document.body.removeChild(this.element);
    }
    this.object = null;
    this.element = null;
};
