/* Says beside a file field how large the chosen file is, before it travels.
 *
 * <input type="file" data-module="gkopen-file-name" data-module-limit="104857600">
 */
this.ckan.module("gkopen-file-name", function ($) {
  "use strict";
  return {
    options: { limit: 0, tooLarge: "" },
    initialize: function () {
      var input = this.el[0], module = this;
      var note = $("<span class='gk-hint' role='status'></span>").insertAfter(this.el);
      this.el.on("change", function () {
        var file = input.files[0];
        if (!file) { note.text(""); return; }
        var size = file.size < 1e6 ? Math.ceil(file.size / 1000) + " KB" : (file.size / 1e6).toFixed(1) + " MB";
        var large = module.options.limit && file.size > module.options.limit;
        note.text(file.name + " · " + size + (large ? " — " + module.options.tooLarge : ""));
      });
    }
  };
});
