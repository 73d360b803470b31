/* A button that copies the text of the <pre> beside it. Without the module the button stays hidden.
 *
 * <div class="gk-copy" data-module="gkopen-copy"><pre>…</pre><button type="button">…</button></div>
 */
this.ckan.module("gkopen-copy", function ($) {
  "use strict";
  return {
    options: { done: "" },
    initialize: function () {
      var module = this, button = this.$("button"), label = button.text();
      this.el.addClass("gk-alive");
      button.on("click", function () {
        navigator.clipboard.writeText(module.$("pre").text()).then(function () {
          button.text(module.options.done || label);
          window.setTimeout(function () { button.text(label); }, 2000);
        });
      });
    }
  };
});
